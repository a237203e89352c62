import { ShapeError } from '../core/errors.ts';
import { dim, formatShape, sameShape } from '../core/shape.ts';
import { type AttentionAttrs, attention, scoreRow } from './attention.ts';
import { defineOp, type Reference, required } from './op.ts';

export type AttentionPartsAttrs = AttentionAttrs & { readonly parts: number };

/**
 * `attention` with the keys each query sees cut into `parts` equal ranges, the last of them shorter or empty, so that
 * few queries on many keys keep all of an adapter busy (Flash-Decoding, Dao et al. 2023). `mergeAttention` joins them.
 * q, k, v and past as `attention` takes them → y [parts, B, S, H, D]: Σ exp(score - max) v over the part; stats
 * [parts, B, S, H, 2]: max and Σ exp(score - max), both 0 where the part is empty.
 */
export const attentionParts = defineOp<AttentionPartsAttrs>({
  name: 'attentionParts',
  inputs: ['q', 'k', 'v', 'past?'],
  infer(inputs, attrs, where) {
    attention.infer(inputs, attrs, where);
    const { shape } = required(inputs, 'q', where);
    return {
      y: { dtype: 'f32', shape: [attrs.parts, ...shape] },
      stats: { dtype: 'f32', shape: [attrs.parts, ...shape.slice(0, 3), 2] },
    };
  },
});

export const attentionPartsReference: Reference<AttentionPartsAttrs> = (inputs, attrs) => {
  const q = required(inputs, 'q', 'attentionParts');
  const v = required(inputs, 'v', 'attentionParts');
  const headDim = dim(q.shape, 3);
  const rows = q.data.length / headDim;
  const y = new Float64Array(attrs.parts * rows * headDim);
  const stats = new Float64Array(attrs.parts * rows * 2);
  for (let row = 0; row < rows; row++) {
    const seen = scoreRow(inputs, attrs, row);
    const size = Math.ceil(seen.length / attrs.parts);
    for (let part = 0; part < attrs.parts; part++) {
      const own = seen.slice(part * size, (part + 1) * size);
      if (own.length === 0) continue;
      const at = part * rows + row;
      const max = Math.max(...own.map(({ score }) => score));
      const weights = own.map(({ score }) => Math.exp(score - max));
      stats.set([max, weights.reduce((sum, weight) => sum + weight, 0)], at * 2);
      for (let d = 0; d < headDim; d++)
        y[at * headDim + d] = own.reduce(
          (sum, { key }, i) => sum + (weights[i] ?? Number.NaN) * (v.data[key + d] ?? Number.NaN),
          0,
        );
    }
  }
  return { y, stats };
};

/** What `attentionParts` gives, as the `attention` it stands for. y, stats → [B, S, H, D] of `dtype`. */
export const mergeAttention = defineOp<{ readonly dtype: 'f32' | 'f16' }>({
  name: 'mergeAttention',
  inputs: ['parts', 'stats'],
  infer(inputs, { dtype }, where) {
    const { shape } = required(inputs, 'parts', where);
    const stats = required(inputs, 'stats', where);
    if (shape.length !== 5 || !sameShape(stats.shape, [...shape.slice(0, 4), 2])) {
      throw new ShapeError(
        `${where}: parts are ${formatShape(shape)} and stats ${formatShape(stats.shape)}; expected [parts, B, S, H, D] and [parts, B, S, H, 2].`,
      );
    }
    return { y: { dtype, shape: shape.slice(1) } };
  },
});

export const mergeAttentionReference: Reference<{ readonly dtype: 'f32' | 'f16' }> = (inputs) => {
  const { shape, data } = required(inputs, 'parts', 'mergeAttention');
  const stats = required(inputs, 'stats', 'mergeAttention').data;
  const [parts = 0, , , , headDim = 1] = shape;
  const rows = data.length / parts / headDim;
  const y = new Float64Array(rows * headDim);
  for (let row = 0; row < rows; row++) {
    const own = Array.from({ length: parts }, (_, part) => {
      const at = part * rows + row;
      return { at, max: stats[2 * at] ?? Number.NaN, sum: stats[2 * at + 1] ?? Number.NaN };
    }).filter(({ sum }) => sum !== 0);
    const max = Math.max(...own.map((part) => part.max));
    const total = own.reduce((sum, part) => sum + part.sum * Math.exp(part.max - max), 0);
    for (const part of own) {
      const weight = Math.exp(part.max - max) / total;
      for (let d = 0; d < headDim; d++)
        y[row * headDim + d] =
          (y[row * headDim + d] ?? 0) + weight * (data[part.at * headDim + d] ?? Number.NaN);
    }
  }
  return { y };
};
