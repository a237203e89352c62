import { dim } from '../core/shape.ts';
import { type AttentionAttrs, checkHeads, scoreRow } from './attention.ts';
import { defineOp, type Named, type Reference, type ReferenceTensor, required } from './op.ts';

const MASKS = ['past?', 'span?', 'mask?'] as const;

/**
 * log Σ_j exp(score_ij) of each query's visible keys, 0 where it sees none. Scores and masks as in `attention`.
 * q [B, S, H, D], k [B, T, K, D] → y [B, S, H] f32.
 */
export const attentionLogSumExp = defineOp<AttentionAttrs>({
  name: 'attentionLogSumExp',
  inputs: ['q', 'k', ...MASKS],
  infer(inputs, _attrs, where) {
    const q = required(inputs, 'q', where);
    const k = required(inputs, 'k', where);
    checkHeads(q, k, k, where);
    return { y: { dtype: 'f32', shape: q.shape.slice(0, 3) } };
  },
});

export const attentionLogSumExpReference: Reference<AttentionAttrs> = (inputs, attrs) => {
  const q = required(inputs, 'q', 'attentionLogSumExp');
  const rows = q.data.length / (q.shape[3] ?? 1);
  const y = new Float64Array(rows).map((_, row) => {
    const scores = scoreRow(inputs, attrs, row).map(({ score }) => score);
    const max = Math.max(...scores);
    return scores.length === 0 ? 0 : max + Math.log(scores.reduce((sum, s) => sum + Math.exp(s - max), 0));
  });
  return { y };
};

/**
 * dq of `attention`: Σ_j ds_ij k_j scale with ds = p (dy·v - delta), p = exp(score - logSumExp) and softcap's slope.
 * q, dy [B, S, H, D], k and v [B, T, K, D], logSumExp and delta = dy·y [B, S, H] → y [B, S, H, D] f32.
 */
export const attentionQueryGradient = defineOp<AttentionAttrs>({
  name: 'attentionQueryGradient',
  inputs: ['q', 'k', 'v', 'dy', 'logSumExp', 'delta', ...MASKS],
  infer(inputs, _attrs, where) {
    return { y: { dtype: 'f32', shape: required(inputs, 'q', where).shape } };
  },
});

export const attentionQueryGradientReference: Reference<AttentionAttrs> = (inputs, attrs) => {
  const q = required(inputs, 'q', 'attentionQueryGradient');
  const k = required(inputs, 'k', 'attentionQueryGradient');
  const y = new Float64Array(q.data.length);
  eachPair(inputs, attrs, ({ query, key, ds, headDim }) => {
    for (let d = 0; d < headDim; d++)
      y[query + d] = (y[query + d] ?? 0) + ds * attrs.scale * (k.data[key + d] ?? Number.NaN);
  });
  return { y };
};

/** dk = Σ_i ds_ij q_i scale and dv = Σ_i p_ij dy_i, over all query heads of a kv head → both [B, T, K, D] f32. */
export const attentionKeyValueGradient = defineOp<AttentionAttrs>({
  name: 'attentionKeyValueGradient',
  inputs: ['q', 'k', 'v', 'dy', 'logSumExp', 'delta', ...MASKS],
  infer(inputs, _attrs, where) {
    const { shape } = required(inputs, 'k', where);
    return { dk: { dtype: 'f32', shape }, dv: { dtype: 'f32', shape } };
  },
});

export const attentionKeyValueGradientReference: Reference<AttentionAttrs> = (inputs, attrs) => {
  const q = required(inputs, 'q', 'attentionKeyValueGradient');
  const dy = required(inputs, 'dy', 'attentionKeyValueGradient');
  const { length } = required(inputs, 'k', 'attentionKeyValueGradient').data;
  const [dk, dv] = [new Float64Array(length), new Float64Array(length)];
  eachPair(inputs, attrs, ({ query, key, weight, ds, headDim }) => {
    for (let d = 0; d < headDim; d++) {
      dk[key + d] = (dk[key + d] ?? 0) + ds * attrs.scale * (q.data[query + d] ?? Number.NaN);
      dv[key + d] = (dv[key + d] ?? 0) + weight * (dy.data[query + d] ?? Number.NaN);
    }
  });
  return { dk, dv };
};

interface Pair {
  /** Where the query's head and the key's head begin. */
  readonly query: number;
  readonly key: number;
  readonly headDim: number;
  /** p_ij, and the gradient of the score before softcap. */
  readonly weight: number;
  readonly ds: number;
}

/** Calls `visit` for each query and each key it sees. */
function eachPair(inputs: Named<ReferenceTensor>, attrs: AttentionAttrs, visit: (pair: Pair) => void): void {
  const [q, v, dy] = ['q', 'v', 'dy'].map((name) => required(inputs, name, 'attention gradient'));
  const [logSumExp, delta] = ['logSumExp', 'delta'].map(
    (name) => required(inputs, name, 'attention gradient').data,
  );
  if (!q || !v || !dy || !logSumExp || !delta) return;
  const headDim = dim(q.shape, 3);
  for (let row = 0; row * headDim < q.data.length; row++) {
    for (const { score, slope, key } of scoreRow(inputs, attrs, row)) {
      const weight = Math.exp(score - (logSumExp[row] ?? Number.NaN));
      let dWeight = 0;
      for (let d = 0; d < headDim; d++)
        dWeight += (dy.data[row * headDim + d] ?? Number.NaN) * (v.data[key + d] ?? Number.NaN);
      const ds = weight * (dWeight - (delta[row] ?? Number.NaN)) * slope;
      visit({ query: row * headDim, key, headDim, weight, ds });
    }
  }
}
