import { dim } from '../core/shape.ts';
import { GROUP_WEIGHTS, type LinearGroupAttrs, linearGroup, linearGroupReference } from './linear-group.ts';
import { defineOp, type Reference, required } from './op.ts';
import { type RopeAppendAttrs, ropeAppend, ropeAppendReference } from './rope-append.ts';

export type QkvAppendAttrs = RopeAppendAttrs & Pick<LinearGroupAttrs, 'norm'>;

const groupAttrs = ({ norm }: QkvAppendAttrs): LinearGroupAttrs => ({ join: 'rows', activation: null, norm });

/**
 * All that lies before attention over a cache, as one: the products of queries, keys and values (see `linearGroup`), the
 * first two turned, the last two put into their caches in place (see `ropeAppend`).
 * x [B, S, C], norm? [C], w0 [H D, C], w1 and w2 [K D, C], bᵢ? as long as wᵢ, cos and sin [P, R/2] f32, positions [B, S] u32,
 * past [B] u32, keys and values [B, T, K, D] → q [B, S, H, D] of x's dtype, keys, values.
 */
export const qkvAppend = defineOp<QkvAppendAttrs>({
  name: 'qkvAppend',
  inputs: [...linearGroup.inputs, ...ropeAppend.inputs.filter((name) => name !== 'x')],
  traits: { ...ropeAppend.traits, packable: GROUP_WEIGHTS },
  infer(inputs, attrs, where) {
    const x = required(linearGroup.infer(inputs, groupAttrs(attrs), where), 'y', where);
    return ropeAppend.infer({ ...inputs, x }, attrs, where);
  },
});

export const qkvAppendReference: Reference<QkvAppendAttrs> = (inputs, attrs) => {
  const x = required(inputs, 'x', 'qkvAppend');
  const data = required(linearGroupReference(inputs, groupAttrs(attrs)), 'y', 'qkvAppend');
  const width = (data.length * dim(x.shape, -1)) / x.data.length;
  const products = { dtype: x.dtype, shape: [...x.shape.slice(0, -1), width], data };
  return ropeAppendReference({ ...inputs, x: products }, attrs);
};
