import type { OpCase } from '../op-case.ts';

const patchifyCase = (label: string, shape: readonly number[], patchSize: number): OpCase => ({
  label,
  attrs: { patchSize },
  inputs: { x: { dtype: 'float', shape } },
});

export const patchifyCases: readonly OpCase[] = [
  patchifyCase('one pixel', [1, 1, 1, 1], 1),
  patchifyCase('one patch', [1, 3, 4, 4], 4),
  patchifyCase('a wide picture', [2, 3, 14, 35], 7),
  patchifyCase('edges left over', [1, 3, 11, 9], 4),
];
