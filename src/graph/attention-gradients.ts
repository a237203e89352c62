import { invariant } from '../core/errors.ts';
import type { AttentionAttrs } from '../ops/attention.ts';
import * as ops from '../ops/attention-gradients.ts';
import { applyAll, applyOne } from './apply.ts';
import type { AttentionOptions } from './attention.ts';
import type { Tensor } from './tensor.ts';

type Masks = Pick<AttentionOptions, 'past' | 'span' | 'mask'>;

/** log Σ exp(score) of each query's row of `attention`. q [B, S, H, D], k [B, T, K, D] → [B, S, H] f32. */
export const attentionLogSumExp = (q: Tensor, k: Tensor, masks: Masks, attrs: AttentionAttrs): Tensor =>
  applyOne(ops.attentionLogSumExp, { q, k, ...masks }, attrs);

export interface AttentionBackward {
  readonly q: Tensor;
  readonly k: Tensor;
  readonly v: Tensor;
  readonly dy: Tensor;
  readonly logSumExp: Tensor;
  /** dy · y of each query, [B, S, H]. */
  readonly delta: Tensor;
}

/** Gradients of q, k and v of `attention`, each of its shape in f32. */
export function attentionGradients(inputs: AttentionBackward, masks: Masks, attrs: AttentionAttrs) {
  const all = { ...inputs, ...masks };
  const q = applyOne(ops.attentionQueryGradient, all, attrs);
  const { dk: k, dv: v } = applyAll(ops.attentionKeyValueGradient, all, attrs);
  invariant(k && v, 'attentionKeyValueGradient has two outputs');
  return { q, k, v };
}
