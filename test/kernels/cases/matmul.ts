import type { OpCase } from '../op-case.ts';

const matmulCase = (label: string, a: readonly number[], b: readonly number[]): OpCase => ({
  label,
  attrs: {},
  inputs: { a: { dtype: 'float', shape: a }, b: { dtype: 'float', shape: b } },
});

export const matmulCases: readonly OpCase[] = [
  matmulCase('one of each', [1, 1], [1, 1]),
  matmulCase('inner size 1', [3, 1], [1, 2]),
  matmulCase('odd sizes', [7, 13], [13, 5]),
  matmulCase('primes', [67, 37], [37, 131]),
  matmulCase('one row', [1, 129], [129, 31]),
  matmulCase('a tile less some', [63, 60], [60, 124]),
  matmulCase('a tile', [64, 64], [64, 128]),
  matmulCase('a tile and some', [65, 68], [68, 132]),
  matmulCase('more rows than share a panel, and some panels', [259, 132], [132, 36]),
  matmulCase('more rows than a dimension of workgroups', [65537, 3], [3, 1]),
  matmulCase('a batch', [3, 5, 9], [3, 9, 7]),
  matmulCase('one b for a batch', [2, 3, 5, 8], [8, 4]),
  matmulCase('one a for a batch', [5, 8], [3, 8, 4]),
  matmulCase('both broadcast', [2, 1, 5, 8], [3, 8, 12]),
  matmulCase('three batch axes', [2, 1, 3, 4, 8], [1, 5, 3, 8, 4]),
  // An inner size that only the fallback takes: 65537 workgroups of 256 threads are minutes on a CPU.
  matmulCase('more matrices than a dimension of workgroups', [65537, 2, 3], [65537, 3, 2]),
];
