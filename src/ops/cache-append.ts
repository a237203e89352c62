import { isFloat } from '../core/dtype.ts';
import { ShapeError } from '../core/errors.ts';
import { dim, formatShape, sameShape } from '../core/shape.ts';
import { defineOp, type Reference, required } from './op.ts';

/**
 * Writes the S rows of x into the cache from row past[b] on, in place; rows beyond T are dropped.
 * cache [B, T, K, D], x [B, S, K, D], past [B] u32 → cache.
 */
export const cacheAppend = defineOp<Record<never, never>>({
  name: 'cacheAppend',
  inputs: ['cache', 'x', 'past'],
  traits: { aliases: { cache: 'cache' }, writesAlias: true },
  infer(inputs, _attrs, where) {
    const cache = required(inputs, 'cache', where);
    const x = required(inputs, 'x', where);
    const past = required(inputs, 'past', where);
    if (!isFloat(cache.dtype) || !isFloat(x.dtype) || cache.shape.length !== 4 || x.shape.length !== 4) {
      throw new ShapeError(
        `${where}: cache is ${cache.dtype} ${formatShape(cache.shape)} and x ${x.dtype} ${formatShape(x.shape)}; ` +
          'expected floats [B, T, K, D] and [B, S, K, D].',
      );
    }
    const [batch = 0, , heads, headDim] = cache.shape;
    const [xBatch, , xHeads, xHeadDim] = x.shape;
    if (xBatch !== batch || xHeads !== heads || xHeadDim !== headDim) {
      throw new ShapeError(
        `${where}: x ${formatShape(x.shape)} does not fit the cache ${formatShape(cache.shape)}; expected the same ` +
          'B, K and D.',
      );
    }
    if (past.dtype !== 'u32' || !sameShape(past.shape, [batch])) {
      throw new ShapeError(
        `${where}: past is ${past.dtype} ${formatShape(past.shape)}; expected u32 [${batch}].`,
      );
    }
    return { cache: { dtype: cache.dtype, shape: cache.shape } };
  },
});

export const cacheAppendReference: Reference = (inputs) => {
  const cache = required(inputs, 'cache', 'cacheAppend');
  const x = required(inputs, 'x', 'cacheAppend');
  const past = required(inputs, 'past', 'cacheAppend');
  const [, capacity = 0, heads = 0, headDim = 0] = cache.shape;
  const tokens = dim(x.shape, 1);
  const width = heads * headDim;
  const out = Float64Array.from(cache.data);
  past.data.forEach((begin, b) => {
    const kept = Math.max(0, Math.min(tokens, capacity - begin));
    const from = b * tokens * width;
    out.set(x.data.subarray(from, from + kept * width), (b * capacity + begin) * width);
  });
  return { cache: out };
};
