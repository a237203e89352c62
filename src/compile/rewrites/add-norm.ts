import { sameShape } from '../../core/shape.ts';
import { elementwise } from '../../ops/elementwise.ts';
import { addLayerNorm, addRmsNorm, layerNorm, rmsNorm } from '../../ops/norm.ts';
import type { Op } from '../../ops/op.ts';
import { required } from '../../ops/op.ts';
import type { RewriteRule } from '../rewrite.ts';
import { summands } from './expression-form.ts';

/**
 * A residual sum takes in the norm that reads it, and still gives out the sum. The norm moves up to the sum, so all
 * else that it reads must be there from the start, as weights are.
 */
const addNormRule = (name: string, norm: Pick<Op, 'name'>, fused: Op): RewriteRule => ({
  name,
  op: elementwise,
  rewrite(node, around) {
    const sum = required(node.outputs, 'y', node.op.name);
    const [reader] = around.readers(sum, norm);
    const pair = summands(node).find(
      ([x, residual]) =>
        x.dtype === sum.dtype && [x, residual].every(({ shape }) => sameShape(shape, sum.shape)),
    );
    if (!reader || !pair) return undefined;
    const [x, residual] = pair;
    const { x: normalized, ...parameters } = reader.inputs;
    const areSources = Object.values(parameters).every(({ source }) => source.kind !== 'op');
    if (normalized !== sum || !areSources) return undefined;
    const merged = {
      op: fused,
      inputs: { x, residual, ...parameters },
      outputs: { sum, y: required(reader.outputs, 'y', reader.op.name) },
      attrs: reader.attrs,
      scope: reader.scope,
      fused: [...node.fused, ...reader.fused],
    };
    return { absorbed: [reader], nodes: [merged] };
  },
});

export const addNormRules: readonly RewriteRule[] = [
  addNormRule('sum + layerNorm', layerNorm, addLayerNorm as unknown as Op),
  addNormRule('sum + rmsNorm', rmsNorm, addRmsNorm as unknown as Op),
];
