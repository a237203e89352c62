import type { CaseInput, OpCase } from '../op-case.ts';

interface Sizes {
  readonly features: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly rotaryDim: number;
  readonly past: number;
  readonly interleaved?: boolean;
  readonly norm?: boolean;
  readonly bias?: boolean;
  readonly sets?: OpCase['sets'];
}

const CAPACITY = 7;
const TABLE_ROWS = 13;
const POSITION = 9;

function qkvAppendCase(label: string, sizes: Sizes): OpCase {
  const { features, heads, kvHeads, headDim, rotaryDim, past, interleaved, norm, bias, sets } = sizes;
  const half = rotaryDim / 2;
  const angle = (i: number) => Math.floor(i / half) / 100 ** ((i % half) / half);
  const float = (...shape: number[]): CaseInput => ({ dtype: 'float', shape });
  const rows = [heads, kvHeads, kvHeads].map((count) => count * headDim);
  const named = (prefix: string, shapeOf: (n: number) => readonly number[]) =>
    Object.fromEntries(rows.map((n, i) => [`${prefix}${i}`, float(...shapeOf(n))]));
  const cache = float(1, CAPACITY, kvHeads, headDim);
  return {
    label,
    ...(sets && { sets }),
    attrs: { interleaved: interleaved ?? false, heads, norm: norm ? { eps: 1e-5, offset: 1 } : null },
    inputs: {
      x: float(1, 1, features),
      ...(norm && { norm: { dtype: 'f32' as const, shape: [features] } }),
      ...named('w', (n) => [n, features]),
      ...(bias && named('b', (n) => [n])),
      cos: { dtype: 'f32', shape: [TABLE_ROWS, half], values: (i) => Math.cos(angle(i)) },
      sin: { dtype: 'f32', shape: [TABLE_ROWS, half], values: (i) => Math.sin(angle(i)) },
      positions: { dtype: 'u32', shape: [1, 1], values: [POSITION] },
      past: { dtype: 'u32', shape: [1], values: [past] },
      keys: cache,
      values: cache,
    },
  };
}

/** Few forms: each is one more pipeline per tuning point. */
export const qkvAppendCases: readonly OpCase[] = [
  qkvAppendCase('three query heads a kv head', {
    features: 68,
    heads: 9,
    kvHeads: 3,
    headDim: 64,
    rotaryDim: 64,
    past: 5,
  }),
  qkvAppendCase('heads of few pairs, the first row of the cache', {
    features: 4,
    heads: 5,
    kvHeads: 1,
    headDim: 12,
    rotaryDim: 12,
    past: 0,
  }),
  qkvAppendCase('a row behind the cache', {
    features: 36,
    heads: 2,
    kvHeads: 2,
    headDim: 32,
    rotaryDim: 32,
    past: CAPACITY,
  }),
  qkvAppendCase('halves of a part of the head', {
    features: 260,
    heads: 3,
    kvHeads: 1,
    headDim: 32,
    rotaryDim: 20,
    past: 6,
  }),
  qkvAppendCase('neighbours of a part of the head, normed, with biases', {
    features: 100,
    heads: 4,
    kvHeads: 2,
    headDim: 64,
    rotaryDim: 24,
    past: 3,
    interleaved: true,
    norm: true,
    bias: true,
    sets: ['f32', 'q4'],
  }),
];
