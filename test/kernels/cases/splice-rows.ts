import type { OpCase } from '../op-case.ts';

const spliceCase = (
  label: string,
  shape: readonly [batch: number, positions: number, channels: number],
  rows: number,
  index: (i: number) => number,
): OpCase => ({
  label,
  attrs: {},
  inputs: {
    x: { dtype: 'float', shape },
    rows: { dtype: 'float', shape: [rows, shape[2]] },
    index: { dtype: 'i32', shape: shape.slice(0, 2), values: index },
  },
});

export const spliceRowsCases: readonly OpCase[] = [
  spliceCase('one position kept', [1, 1, 1], 1, () => -1),
  spliceCase('one position replaced', [1, 1, 3], 1, () => 0),
  spliceCase('every third replaced', [2, 9, 8], 6, (i) => (i % 3 === 1 ? (i - 1) / 3 : -1)),
  spliceCase('odd channels, one row used often', [2, 5, 7], 2, (i) => (i % 2 === 0 ? 1 : -1)),
  spliceCase('more elements than a dimension of workgroups', [1, 65537, 65], 3, (i) => (i % 4) - 1),
];
