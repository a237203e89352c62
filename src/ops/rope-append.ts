import { isFloat } from '../core/dtype.ts';
import { ShapeError } from '../core/errors.ts';
import { dim, formatShape, sameShape } from '../core/shape.ts';
import { cacheAppend, cacheAppendReference } from './cache-append.ts';
import { defineOp, type Named, type Reference, type ReferenceTensor, required } from './op.ts';
import { type RopeAttrs, rope, ropeReference } from './rope.ts';

/** `heads` counts query heads. */
export type RopeAppendAttrs = RopeAttrs & { readonly heads: number };

/**
 * What lies between the product of queries, keys and values and attention over a cache, as one: queries and keys turn
 * (see `rope`), keys and values go into their caches in place (see `cacheAppend`).
 * x [B, S, (H + 2 K) D], cos and sin [P, R/2] f32, positions [B, S] u32, past [B] u32, keys and values [B, T, K, D]
 * → q [B, S, H, D] of x's dtype, keys, values.
 */
export const ropeAppend = defineOp<RopeAppendAttrs>({
  name: 'ropeAppend',
  inputs: ['x', 'cos', 'sin', 'positions', 'past', 'keys', 'values'],
  traits: { aliases: { keys: 'keys', values: 'values' }, writesAlias: true },
  infer(inputs, attrs, where) {
    const { dtype, shape } = required(inputs, 'x', where);
    const keys = required(inputs, 'keys', where);
    const values = required(inputs, 'values', where);
    const [batch = 0, , kvHeads = 0, headDim = 0] = keys.shape;
    const width = (attrs.heads + 2 * kvHeads) * headDim;
    const fits = isFloat(dtype) && shape.length === 3 && shape[0] === batch && dim(shape, 2) === width;
    if (
      !fits ||
      !isFloat(keys.dtype) ||
      keys.dtype !== values.dtype ||
      !sameShape(keys.shape, values.shape)
    ) {
      throw new ShapeError(
        `${where}: x is ${dtype} ${formatShape(shape)}, keys ${keys.dtype} ${formatShape(keys.shape)}, values ` +
          `${values.dtype} ${formatShape(values.shape)}; expected caches alike and floats [${batch}, S, ${width}] for ${attrs.heads} query heads.`,
      );
    }
    const heads = (count: number) => ({ dtype, shape: [batch, dim(shape, 1), count, headDim] });
    const { y: q } = rope.infer({ ...inputs, x: heads(attrs.heads) }, attrs, where);
    cacheAppend.infer({ cache: keys, x: heads(kvHeads), past: required(inputs, 'past', where) }, {}, where);
    return { q: q ?? heads(attrs.heads), keys, values };
  },
});

export const ropeAppendReference: Reference<RopeAppendAttrs> = (inputs, attrs) => {
  const keys = required(inputs, 'keys', 'ropeAppend');
  const [, , kvHeads = 0, headDim = 0] = keys.shape;
  const heads = (first: number, count: number): ReferenceTensor => headsOf(inputs, headDim, first, count);
  const turned = (x: ReferenceTensor): ReferenceTensor => ({
    ...x,
    data: required(ropeReference({ ...inputs, x }, attrs), 'y', 'ropeAppend'),
  });
  const appended = (cache: string, x: ReferenceTensor): Float64Array => {
    const past = required(inputs, 'past', 'ropeAppend');
    return required(
      cacheAppendReference({ cache: required(inputs, cache, 'ropeAppend'), x, past }, {}),
      'cache',
      'ropeAppend',
    );
  };
  return {
    q: turned(heads(0, attrs.heads)).data,
    keys: appended('keys', turned(heads(attrs.heads, kvHeads))),
    values: appended('values', heads(attrs.heads + kvHeads, kvHeads)),
  };
};

/** Heads `first` to `first + count - 1` of x, as [B, S, count, D]. */
function headsOf(
  inputs: Named<ReferenceTensor>,
  headDim: number,
  first: number,
  count: number,
): ReferenceTensor {
  const x = required(inputs, 'x', 'ropeAppend');
  const [batch = 0, tokens = 0, width = 0] = x.shape;
  const data = new Float64Array(batch * tokens * count * headDim);
  for (let row = 0; row < batch * tokens; row++) {
    const begin = row * width + first * headDim;
    data.set(x.data.subarray(begin, begin + count * headDim), row * count * headDim);
  }
  return { dtype: x.dtype, shape: [batch, tokens, count, headDim], data };
}
