import type { OpCase } from '../op-case.ts';

interface Sizes {
  readonly past: readonly number[];
  readonly keys: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly parts: number;
  readonly slidingWindow?: number;
  readonly softcap?: number;
}

const partsCase = (label: string, sizes: Sizes): OpCase => {
  const { past, keys, heads, kvHeads, headDim, parts } = sizes;
  const batch = past.length;
  const cache = { dtype: 'float' as const, shape: [batch, keys, kvHeads, headDim] };
  return {
    label,
    attrs: {
      scale: 1 / Math.sqrt(headDim),
      causal: true,
      softcap: sizes.softcap ?? null,
      slidingWindow: sizes.slidingWindow ?? null,
      parts,
    },
    inputs: {
      q: { dtype: 'float', shape: [batch, 1, heads, headDim] },
      k: cache,
      v: cache,
      past: { dtype: 'u32', shape: [batch], values: past },
    },
  };
};

/** Few forms: each number of query heads a kv head is one more pipeline. */
export const attentionPartsCases: readonly OpCase[] = [
  partsCase('one key for four parts', { past: [0], keys: 8, heads: 3, kvHeads: 1, headDim: 64, parts: 4 }),
  partsCase('two rows', { past: [301, 4], keys: 320, heads: 6, kvHeads: 2, headDim: 80, parts: 2 }),
  partsCase('a window and a softcap', {
    past: [90],
    keys: 100,
    heads: 3,
    kvHeads: 1,
    headDim: 16,
    parts: 4,
    slidingWindow: 37,
    softcap: 2,
  }),
];

const mergeCase = (label: string, shape: readonly number[], stats?: readonly number[]): OpCase => ({
  label,
  attrs: { dtype: 'f32' },
  inputs: {
    parts: { dtype: 'f32', shape },
    // Maxima about 0, sums over 0.
    stats: {
      dtype: 'f32',
      shape: [...shape.slice(0, 4), 2],
      values: stats ?? ((i) => (i % 2 ? 1 + (i % 7) : (i % 5) - 2)),
    },
  },
});

export const mergeAttentionCases: readonly OpCase[] = [
  mergeCase('three parts of two rows', [3, 2, 1, 3, 20]),
  mergeCase('an empty part, whose maximum is not seen', [2, 1, 1, 1, 4], [50, 0, -80, 2]),
];
