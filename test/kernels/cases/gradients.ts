import type { AttrValue } from '../../../src/ops/op.ts';
import type { CaseInput, OpCase } from '../op-case.ts';
import { attentionCases } from './attention.ts';

const float = (shape: readonly number[]): CaseInput => ({ dtype: 'float', shape });

const scatterCase = (
  label: string,
  index: readonly number[],
  channels: number,
  { rows, rowOffset = 0 }: { readonly rows: number; readonly rowOffset?: number },
): OpCase => ({
  label,
  attrs: { rows, rowOffset },
  inputs: {
    index: { dtype: 'i32', shape: [index.length], values: index },
    x: float([index.length, channels]),
  },
});

export const scatterAddCases: readonly OpCase[] = [
  scatterCase('one row', [0], 1, { rows: 1 }),
  scatterCase('rows that meet, rows that none reaches', [3, 0, 3, 3, 6, 0], 7, { rows: 8 }),
  scatterCase('indices beyond the rows and before them', [-1, 2, 9, 5, -7], 67, { rows: 6 }),
  scatterCase('a part of a table', [10, 12, 11, 9, 12], 12, { rows: 3, rowOffset: 10 }),
  scatterCase(
    'many indices',
    Array.from({ length: 211 }, (_, i) => (i * i) % 13),
    5,
    { rows: 13 },
  ),
];

interface ConvSizes {
  readonly dy: readonly number[];
  readonly x: readonly number[];
  readonly weight: readonly number[];
  readonly attrs: Record<string, AttrValue>;
}

const CONVS: Readonly<Record<string, ConvSizes>> = {
  'one tap': {
    dy: [1, 1, 1, 1],
    x: [1, 1, 1, 1],
    weight: [1, 1, 1, 1],
    attrs: { stride: 1, padding: 0, groups: 1 },
  },
  padded: {
    dy: [2, 6, 9, 11],
    x: [2, 4, 9, 11],
    weight: [6, 4, 3, 3],
    attrs: { stride: 1, padding: 1, groups: 1 },
  },
  depthwise: {
    dy: [2, 6, 5, 7],
    x: [2, 6, 5, 7],
    weight: [6, 1, 3, 3],
    attrs: { stride: 1, padding: 1, groups: 6 },
  },
  'strided in groups': {
    dy: [2, 8, 5, 6],
    x: [2, 4, 9, 11],
    weight: [8, 2, 3, 2],
    attrs: { stride: 2, padding: 1, groups: 2 },
  },
};

export const conv2dInputGradientCases: readonly OpCase[] = Object.entries(CONVS).map(
  ([label, { dy, x, weight, attrs }]) => ({
    label,
    attrs: { ...attrs, shape: x },
    inputs: { dy: float(dy), weight: float(weight) },
  }),
);

export const conv2dWeightGradientCases: readonly OpCase[] = Object.entries(CONVS).map(
  ([label, { dy, x, weight, attrs }]) => ({
    label,
    attrs: { ...attrs, shape: weight },
    inputs: { dy: float(dy), x: float(x) },
  }),
);

/** The cases of attention, but those of made values: unwritten keys, and scores that no made-up sum goes with. */
const forward = attentionCases.filter(({ inputs }) =>
  [inputs.q, inputs.k].every((input) => typeof input?.values !== 'function'),
);

export const attentionLogSumExpCases: readonly OpCase[] = forward.map(({ label, attrs, inputs }) => {
  const { v: _v, ...rest } = inputs;
  return { label, attrs, inputs: rest };
});

/** Rows of weights as their sum says, with made-up values in its place: the op is what it is for any. */
const gradientCases: readonly OpCase[] = forward.map(({ label, attrs, inputs }) => {
  const [batch = 0, queries = 0, heads = 0] = inputs.q?.shape ?? [];
  const q = inputs.q ?? float([]);
  return {
    label,
    attrs,
    inputs: {
      ...inputs,
      dy: { ...q, values: 'normal' },
      logSumExp: { dtype: 'f32', shape: [batch, queries, heads], values: (i) => 4 + Math.sin(i) },
      delta: { dtype: 'f32', shape: [batch, queries, heads], values: (i) => Math.cos(i) / 4 },
    },
  };
});

export const attentionQueryGradientCases: readonly OpCase[] = gradientCases;
export const attentionKeyValueGradientCases: readonly OpCase[] = gradientCases;
