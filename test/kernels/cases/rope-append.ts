import type { OpCase } from '../op-case.ts';

interface Sizes {
  readonly tokens: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly rotaryDim: number;
  readonly past: readonly number[];
}

const CAPACITY = 11;
const TABLE_ROWS = 29;

function ropeAppendCase(label: string, sizes: Sizes, interleaved = false): OpCase {
  const { tokens, heads, kvHeads, headDim, rotaryDim, past } = sizes;
  const batch = past.length;
  const half = rotaryDim / 2;
  const angle = (i: number) => Math.floor(i / half) / 100 ** ((i % half) / half);
  const cache = { dtype: 'float' as const, shape: [batch, CAPACITY, kvHeads, headDim] };
  return {
    label,
    attrs: { interleaved, heads },
    inputs: {
      x: { dtype: 'float', shape: [batch, tokens, (heads + 2 * kvHeads) * headDim] },
      cos: { dtype: 'f32', shape: [TABLE_ROWS, half], values: (i) => Math.cos(angle(i)) },
      sin: { dtype: 'f32', shape: [TABLE_ROWS, half], values: (i) => Math.sin(angle(i)) },
      positions: { dtype: 'u32', shape: [batch, tokens], values: (i) => (i * 5 + 1) % TABLE_ROWS },
      past: { dtype: 'u32', shape: [batch], values: past },
      keys: cache,
      values: cache,
    },
  };
}

export const ropeAppendCases: readonly OpCase[] = [
  ropeAppendCase('one pair', { tokens: 1, heads: 1, kvHeads: 1, headDim: 2, rotaryDim: 2, past: [0] }),
  ropeAppendCase('a token', { tokens: 1, heads: 9, kvHeads: 3, headDim: 64, rotaryDim: 64, past: [7] }),
  ropeAppendCase('a token behind the cache', {
    tokens: 1,
    heads: 2,
    kvHeads: 2,
    headDim: 8,
    rotaryDim: 8,
    past: [CAPACITY],
  }),
  ropeAppendCase(
    'pairs of a part of the head, two rows, some beyond the cache',
    { tokens: 3, heads: 4, kvHeads: 2, headDim: 21, rotaryDim: 6, past: [2, 9] },
    true,
  ),
  ropeAppendCase('halves of a part of the head', {
    tokens: 1,
    heads: 2,
    kvHeads: 1,
    headDim: 20,
    rotaryDim: 12,
    past: [1],
  }),
];
