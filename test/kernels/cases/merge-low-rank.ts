import type { WeightFormat } from '../../../src/ops/convert-weight.ts';
import type { OpCase } from '../op-case.ts';
import { wordsOf } from './convert-weight.ts';

const mergeCase = (
  from: WeightFormat,
  [rows, columns]: readonly [number, number],
  rank: number,
  firstRow = 0,
  total = firstRow + rows,
): OpCase => {
  const words = wordsOf(from, rows * columns);
  return {
    label: `rank ${rank} into ${rows}×${columns} of ${from}, row ${firstRow} of ${total}`,
    attrs: { from, rows, firstRow },
    inputs: {
      words: { dtype: 'u32', shape: [words.length], values: words },
      left: { dtype: 'f32', shape: [total, rank] },
      right: { dtype: 'f32', shape: [rank, columns] },
    },
  };
};

export const mergeLowRankCases: readonly OpCase[] = [
  mergeCase('F32', [1, 1], 1),
  mergeCase('F32', [3, 20], 4),
  mergeCase('F16', [5, 7], 3, 2, 9),
  mergeCase('BF16', [65, 12], 16, 1, 70),
  mergeCase('BF16', [9, 31], 2),
];
