import { isFloat } from '../core/dtype.ts';
import { ShapeError } from '../core/errors.ts';
import { dim, formatShape, sameShape } from '../core/shape.ts';
import { defineOp, type Reference, required } from './op.ts';
import { checkPages } from './paged-attention.ts';

/**
 * Writes the S rows of x into a cache in pages, in place: row s of b becomes row past[b] + s, in page
 * pages[b, (past[b] + s) / G] at place (past[b] + s) % G. Rows beyond N G are dropped. Rows that lie in one place (that of a
 * page that several share) overwrite each other in any order.
 * cache [P, G, K, D], x [B, S, K, D], past [B] u32, pages [B, N] u32 → cache.
 */
export const pagedAppend = defineOp<Record<never, never>>({
  name: 'pagedAppend',
  inputs: ['cache', 'x', 'past', 'pages'],
  traits: { aliases: { cache: 'cache' }, writesAlias: true },
  infer(inputs, _attrs, where) {
    const cache = required(inputs, 'cache', where);
    const x = required(inputs, 'x', where);
    const areHeads = [cache, x].every(({ dtype, shape }) => isFloat(dtype) && shape.length === 4);
    if (!areHeads || !sameShape(cache.shape.slice(2), x.shape.slice(2))) {
      throw new ShapeError(
        `${where}: cache is ${cache.dtype} ${formatShape(cache.shape)} and x ${x.dtype} ${formatShape(x.shape)}; ` +
          'expected floats [P, G, K, D] and [B, S, K, D] of the same K and D.',
      );
    }
    checkPages(inputs, dim(x.shape, 0), where);
    return { cache: { dtype: cache.dtype, shape: cache.shape } };
  },
});

export const pagedAppendReference: Reference = (inputs) => {
  const cache = required(inputs, 'cache', 'pagedAppend');
  const x = required(inputs, 'x', 'pagedAppend');
  const past = required(inputs, 'past', 'pagedAppend');
  const pages = required(inputs, 'pages', 'pagedAppend');
  const [, size = 1, heads = 0, headDim = 0] = cache.shape;
  const [, tokens = 0] = x.shape;
  const perRow = dim(pages.shape, 1);
  const width = heads * headDim;
  const out = Float64Array.from(cache.data);
  past.data.forEach((begin, b) => {
    for (let s = 0; s < tokens && begin + s < perRow * size; s++) {
      const page = pages.data[b * perRow + Math.floor((begin + s) / size)] ?? 0;
      const from = (b * tokens + s) * width;
      out.set(x.data.subarray(from, from + width), (page * size + ((begin + s) % size)) * width);
    }
  });
  return { cache: out };
};
