import type { OpCase } from '../op-case.ts';

interface Sizes {
  readonly batch?: number;
  readonly queries: number;
  readonly keys?: number;
  readonly heads?: number;
  readonly kvHeads?: number;
  readonly headDim?: number;
}

type Options = Partial<Readonly<Record<'causal', boolean> & Record<'softcap' | 'slidingWindow', number>>>;

function attentionCase(
  label: string,
  { batch = 1, queries, keys = queries, heads = 2, kvHeads = heads, headDim = 8 }: Sizes,
  { causal = false, softcap, slidingWindow }: Options = {},
  more: OpCase['inputs'] = {},
): OpCase {
  // Each set of optional inputs is another shader for each dtype, and these two never touch a float binding.
  const dtype = more.mask || more.span ? 'f32' : 'float';
  return {
    label,
    attrs: {
      scale: 1 / Math.sqrt(headDim),
      causal,
      softcap: softcap ?? null,
      slidingWindow: slidingWindow ?? null,
    },
    inputs: {
      q: { dtype, shape: [batch, queries, heads, headDim] },
      k: { dtype, shape: [batch, keys, kvHeads, headDim] },
      v: { dtype, shape: [batch, keys, kvHeads, headDim] },
      ...more,
    },
  };
}

const perRow = (values: readonly number[]): OpCase['inputs'][string] => ({
  dtype: 'u32',
  shape: [values.length],
  values,
});

/** A range of keys for each query of each row. */
const spans = (
  batch: number,
  queries: number,
  spanOf: (b: number, i: number) => readonly [first: number, last: number],
): OpCase['inputs'] => ({
  span: {
    dtype: 'u32',
    shape: [batch, queries, 2],
    values: (n) => {
      const query = Math.floor(n / 2);
      return spanOf(Math.floor(query / queries), query % queries)[n % 2] ?? 0;
    },
  },
});

/** The span of a query at `position` where all of a prefix sees all of it. */
const inPrefix = (position: number, prefix: number): readonly [number, number] =>
  position < prefix ? [0, prefix] : [0, 0];

export const attentionCases: readonly OpCase[] = [
  attentionCase('one key', { queries: 1 }),
  attentionCase('all keys, a prime number of tokens', { batch: 2, queries: 37 }),
  attentionCase('causal', { batch: 2, queries: 37 }, { causal: true }),
  attentionCase(
    'causal, two query heads per kv head',
    { queries: 19, heads: 4, kvHeads: 2 },
    { causal: true },
  ),
  attentionCase('causal, one kv head for three', { queries: 9, heads: 3, kvHeads: 1 }, { causal: true }),
  attentionCase('more queries than a workgroup', { queries: 131 }, { causal: true }),
  attentionCase('cross attention, more queries than keys', { queries: 11, keys: 5 }),
  attentionCase('causal after cached keys', { queries: 9, keys: 14 }, { causal: true }),
  attentionCase('softcap', { queries: 13 }, { causal: true, softcap: 0.5 }),
  attentionCase('a window of 3', { queries: 21 }, { causal: true, slidingWindow: 3 }),
  attentionCase('a window open to the future', { queries: 21 }, { slidingWindow: 4 }),
  attentionCase('an odd head size', { queries: 11, headDim: 10 }, { causal: true }),
  attentionCase('a head of 72', { queries: 17, headDim: 72 }),
  attentionCase('a head of 64, some hundred keys', { queries: 2, keys: 700, headDim: 64 }, { causal: true }),
  attentionCase(
    'scores of a hundred',
    { queries: 9, headDim: 64 },
    { softcap: 1000 },
    {
      q: { dtype: 'f32', shape: [1, 9, 2, 64], values: (i) => 30 * Math.sin(i * i) },
    },
  ),
  attentionCase(
    'a cache of rows of unlike length',
    { batch: 3, queries: 2, keys: 12 },
    { causal: true },
    {
      past: perRow([0, 10, 4]),
      ...unwritten(3, 12, 2),
    },
  ),
  attentionCase(
    'one token on a cache, grouped heads',
    { batch: 2, queries: 1, keys: 300, heads: 6, kvHeads: 2 },
    { causal: true },
    { past: perRow([290, 3]) },
  ),
  attentionCase(
    'one token on a cache, a window',
    { batch: 2, queries: 1, keys: 40 },
    { causal: true, slidingWindow: 5 },
    { past: perRow([30, 3]) },
  ),
  attentionCase(
    'one token on a cache, three heads of 64 per kv head, softcap',
    { batch: 2, queries: 1, keys: 70, heads: 6, kvHeads: 2, headDim: 64 },
    { causal: true, softcap: 0.5 },
    { past: perRow([66, 0]) },
  ),
  attentionCase(
    'one token on a cache that is not all written',
    { batch: 3, queries: 1, keys: 12 },
    { causal: true },
    { past: perRow([1, 11, 5]), ...unwritten(3, 12, 2) },
  ),
  attentionCase(
    'a prefix',
    { batch: 2, queries: 13 },
    { causal: true },
    spans(2, 13, (b, i) => inPrefix(i, b === 0 ? 6 : 0)),
  ),
  attentionCase(
    'a prefix that wins over the window inside it',
    { batch: 2, queries: 13 },
    { causal: true, slidingWindow: 3 },
    spans(2, 13, (b, i) => inPrefix(i, b === 0 ? 7 : 13)),
  ),
  attentionCase(
    'a prefix in a cache',
    { batch: 2, queries: 5, keys: 16 },
    { causal: true, slidingWindow: 3 },
    {
      past: perRow([0, 9]),
      ...spans(2, 5, (b, i) => (b === 0 ? inPrefix(i, 4) : inPrefix(9 + i, 11))),
    },
  ),
  attentionCase(
    'a picture open to its own future, its past cut by the window',
    { queries: 29 },
    { causal: true, slidingWindow: 5 },
    spans(1, 29, (_b, i) => (i >= 6 && i < 23 ? [i, 23] : [0, 0])),
  ),
  attentionCase(
    'spans alone: pictures of unlike size in a row, and a query that sees nothing',
    { batch: 2, queries: 43 },
    {},
    spans(2, 43, (b, i) => (i < 5 ? [0, 5] : i < 42 ? [5 + b, 42] : [0, 0])),
  ),
  attentionCase(
    'an additive mask per head',
    { batch: 2, queries: 7, keys: 11 },
    {},
    {
      mask: { dtype: 'f32', shape: [1, 2, 7, 11] },
    },
  ),
  attentionCase(
    'an additive mask per row that hides a whole query',
    { batch: 2, queries: 7, keys: 11 },
    {},
    {
      mask: {
        dtype: 'f32',
        shape: [2, 1, 7, 11],
        values: (i) => (i < 11 || i % 3 === 0 ? Number.NEGATIVE_INFINITY : i / 50),
      },
    },
  ),
  attentionCase(
    'a mask of the lowest f32',
    { queries: 6 },
    { causal: true },
    {
      mask: { dtype: 'f32', shape: [1, 1, 6, 6], values: (i) => (i % 6 < 2 ? -3.4028234663852886e38 : 0) },
    },
  ),
];

/** Caches whose rows from 2 + past on are NaN, as memory that nobody wrote may be: they must not be read. */
function unwritten(batch: number, keys: number, heads: number): OpCase['inputs'] {
  const headDim = 8;
  const written = [2, 12, 6];
  const shape = [batch, keys, heads, headDim];
  const values = (i: number): number => {
    const row = Math.floor(i / (heads * headDim));
    return row % keys < (written[Math.floor(row / keys)] ?? 0) ? Math.sin(i * i) : Number.NaN;
  };
  return { k: { dtype: 'float', shape, values }, v: { dtype: 'float', shape, values } };
}
