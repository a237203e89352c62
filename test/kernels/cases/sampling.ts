import { encodeSampling, type Sampling } from '../../../src/ops/sampling.ts';
import type { CaseInput, OpCase } from '../op-case.ts';

const PLAIN: Sampling = {
  temperature: 1,
  topK: 0,
  topP: 1,
  minP: 0,
  repetitionPenalty: 1,
  seed: 0,
  step: 0,
};

const sampleCase = (
  label: string,
  [rows, vocab]: readonly [rows: number, vocab: number],
  sampling: Partial<Sampling>,
  seen = false,
  values: CaseInput['values'] = 'normal',
): OpCase => ({
  label,
  attrs: {},
  inputs: {
    logits: { dtype: 'float', shape: [rows, vocab], values },
    ...(seen && { seen: { dtype: 'u32', shape: [rows, vocab], values: (i: number) => Number(i % 3 === 0) } }),
    sampling: {
      dtype: 'u32',
      shape: [rows, 8],
      values: Array.from({ length: rows }, (_, row) => [
        ...encodeSampling({ ...PLAIN, ...sampling, seed: (sampling.seed ?? 0) + row }),
      ]).flat(),
    },
  },
});

/** Logits whose likeliest tokens differ enough that no rounding changes what is kept. */
const spread = (i: number): number => 9 * Math.sin(i * 12.9898 + Math.floor(i / 1000));

export const sampleTokenCases: readonly OpCase[] = [
  sampleCase('a vocabulary of one', [1, 1], {}),
  sampleCase('greedy', [5, 263], { temperature: 0 }),
  sampleCase('greedy of ties', [2, 500], { temperature: 0 }, false, (i) => (i * 31) % 7),
  sampleCase('greedy with repetition penalty', [5, 263], { temperature: 0, repetitionPenalty: 1.7 }, true),
  sampleCase('temperature', [16, 263], { temperature: 0.7 }),
  sampleCase('top k', [16, 263], { topK: 5, seed: 11 }),
  sampleCase('top k of one', [16, 263], { topK: 1 }),
  sampleCase('top k of more than there are', [4, 37], { topK: 100 }),
  sampleCase('top p', [16, 1000], { topP: 0.6, seed: 2 ** 40 + 5 }, false, spread),
  sampleCase('a top p that only the likeliest reaches', [4, 37], { topP: 1e-6 }),
  sampleCase('min p', [16, 263], { minP: 0.2, seed: 3 }),
  sampleCase(
    'everything at once',
    [32, 1000],
    { temperature: 1.3, topK: 40, topP: 0.9, minP: 0.02, repetitionPenalty: 1.2, seed: 99, step: 7 },
    true,
    spread,
  ),
  sampleCase('some tokens forbidden', [4, 300], { topK: 7, topP: 0.8 }, false, (i) =>
    i % 2 ? Number.NEGATIVE_INFINITY : spread(i),
  ),
  sampleCase('a vocabulary of 262144', [1, 262144], { topK: 50, topP: 0.9, seed: 4 }, false, (i) =>
    spread(i * 1.0001),
  ),
];

export const markSeenCases: readonly OpCase[] = [
  {
    label: 'one id',
    attrs: {},
    inputs: {
      seen: { dtype: 'u32', shape: [1, 5], values: [0, 1, 0, 0, 0] },
      ids: { dtype: 'u32', shape: [1], values: [3] },
    },
  },
  {
    label: 'rows of ids, padded and beyond the vocabulary',
    attrs: {},
    inputs: {
      seen: { dtype: 'u32', shape: [3, 70], values: () => 0 },
      ids: { dtype: 'i32', shape: [3, 41], values: (i) => ((i * 17) % 90) - 5 },
    },
  },
];
