import type { Reduction } from '../../../src/ops/reduce.ts';
import type { CaseInput, OpCase } from '../op-case.ts';

const SHAPES: readonly (readonly [label: string, shape: readonly number[], begin: number, end: number])[] = [
  ['one element', [1], 0, 1],
  ['rows', [5, 37], 1, 2],
  ['columns', [37, 5], 0, 1],
  ['a middle axis', [3, 7, 5], 1, 2],
  ['all axes', [3, 4, 5], 0, 3],
  ['two inner axes', [3, 17, 19], 1, 3],
  ['an axis of one', [4, 1, 6], 1, 2],
];

export const reduceCases: readonly OpCase[] = [
  ...(['sum', 'mean', 'max'] satisfies Reduction[]).flatMap((kind) =>
    SHAPES.map(([label, shape, begin, end]) => ({
      label: `${kind} over ${label}`,
      attrs: { kind, begin, end, keepDims: false },
      inputs: { x: { dtype: 'float' as const, shape } },
    })),
  ),
  {
    label: 'the largest of negative values only',
    attrs: { kind: 'max', begin: 1, end: 2, keepDims: true },
    inputs: { x: { dtype: 'float', shape: [2, 70], values: (i) => -3 - (i % 9) } },
  },
  {
    label: 'more rows than a dimension of workgroups',
    attrs: { kind: 'sum', begin: 1, end: 2, keepDims: false },
    inputs: { x: { dtype: 'float', shape: [65537, 3] } },
  },
];

const argmaxCase = (label: string, shape: readonly number[], values?: (i: number) => number): OpCase => ({
  label,
  attrs: {},
  inputs: { x: { dtype: 'float', shape, ...(values && { values }) } satisfies CaseInput },
});

export const argmaxCases: readonly OpCase[] = [
  argmaxCase('one element', [1]),
  argmaxCase('fewer columns than threads', [3, 7]),
  argmaxCase('a prime number of columns', [2, 2, 1031]),
  argmaxCase('ties: the first', [2, 500], (i) => (i * 31) % 7),
  argmaxCase('all equal', [2, 300], () => -2),
  argmaxCase('a row of -inf', [2, 5], () => Number.NEGATIVE_INFINITY),
  argmaxCase('more rows than a dimension of workgroups', [65537, 3]),
];
