import type { OpCase } from '../op-case.ts';

const appendCase = (label: string, tokens: number, capacity: number, past: readonly number[]): OpCase => ({
  label,
  attrs: {},
  inputs: {
    cache: { dtype: 'float', shape: [past.length, capacity, 3, 7] },
    x: { dtype: 'float', shape: [past.length, tokens, 3, 7] },
    past: { dtype: 'u32', shape: [past.length], values: past },
  },
});

export const cacheAppendCases: readonly OpCase[] = [
  appendCase('one token', 1, 5, [2]),
  appendCase('an empty cache', 4, 9, [0]),
  appendCase('rows of unlike length', 2, 11, [0, 9, 5]),
  appendCase('tokens beyond the capacity', 5, 8, [6, 8, 3]),
];
