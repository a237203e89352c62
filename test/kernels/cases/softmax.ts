import type { OpCase } from '../op-case.ts';

const LOWEST = -3.4028234663852886e38;

const softmaxCase = (
  label: string,
  shape: readonly number[],
  values?: (index: number) => number,
): OpCase => ({
  label,
  attrs: {},
  inputs: { x: { dtype: 'float', shape, ...(values && { values }) } },
});

export const softmaxCases: readonly OpCase[] = [
  softmaxCase('one element', [1, 1]),
  softmaxCase('two columns', [3, 2]),
  softmaxCase('a prime number of columns', [7, 37]),
  softmaxCase('a workgroup less one', [2, 63]),
  softmaxCase('a workgroup and one', [2, 2, 65]),
  softmaxCase('a long row', [1, 1031]),
  softmaxCase('more rows than a dimension of workgroups', [65537, 3]),
  softmaxCase('logits of a thousand', [3, 41], (i) => 1000 * Math.sin(i)),
  softmaxCase('a third masked by -inf', [4, 12], (i) => (i % 3 === 1 ? Number.NEGATIVE_INFINITY : i / 7)),
  softmaxCase('a row wholly masked by -inf', [3, 8], (i) => (i < 8 ? Number.NEGATIVE_INFINITY : i / 7)),
  {
    label: 'a row wholly masked by the lowest f32',
    attrs: {},
    inputs: { x: { dtype: 'f32', shape: [2, 9], values: (i) => (i < 9 ? LOWEST : i / 5) } },
  },
];
