import type { OpCase } from '../op-case.ts';

const logSumExpCase = (
  label: string,
  shape: readonly number[],
  axis: number,
  values?: (index: number) => number,
): OpCase => ({
  label,
  attrs: { axis },
  inputs: { x: { dtype: 'float', shape, ...(values && { values }) } },
});

export const logSumExpCases: readonly OpCase[] = [
  logSumExpCase('one element', [1], 0),
  logSumExpCase('rows of a prime number of columns', [3, 37], 1),
  logSumExpCase('a workgroup and one', [2, 2, 65], 2),
  logSumExpCase('a long row', [1, 1031], 1),
  logSumExpCase('columns', [37, 67], 0),
  logSumExpCase('a middle axis', [3, 7, 5], 1),
  logSumExpCase('an axis of one', [4, 1, 6], 1),
  logSumExpCase('rows of a thousand', [3, 41], 1, (i) => 1000 * Math.sin(i)),
  logSumExpCase('columns of a thousand', [41, 3], 0, (i) => 1000 * Math.sin(i)),
  logSumExpCase('more rows than a dimension of workgroups', [65537, 3], 1),
];
