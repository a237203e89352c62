import type { PackedDType } from '../../../src/core/dtype.ts';
import type { WeightFormat } from '../../../src/ops/convert-weight.ts';
import type { OpCase } from '../op-case.ts';
import { wordsOf } from './convert-weight.ts';

const quantizeCase = (
  dtype: PackedDType,
  from: WeightFormat,
  [rows, columns]: readonly [number, number],
  firstRow = 0,
  total = firstRow + rows,
): OpCase => {
  const words = wordsOf(from, rows * columns);
  return {
    label: `${rows}×${columns} of ${from} to ${dtype} at row ${firstRow} of ${total}`,
    attrs: { from, rows, firstRow },
    inputs: {
      words: { dtype: 'u32', shape: [words.length], values: words },
      weight: { dtype, shape: [total, columns] },
    },
  };
};

export const quantizeWeightCases: readonly OpCase[] = (['q8', 'q4'] as const).flatMap((dtype) => [
  quantizeCase(dtype, 'F32', [1, 1]),
  quantizeCase(dtype, 'F32', [3, 32]),
  quantizeCase(dtype, 'F32', [2, 65], 3, 7),
  quantizeCase(dtype, 'F16', [5, 37], 1, 6),
  quantizeCase(dtype, 'BF16', [3, 300]),
  quantizeCase(dtype, 'BF16', [7, 31]),
  {
    ...quantizeCase(dtype, 'F32', [2, 32]),
    label: `zeros to ${dtype}`,
    inputs: {
      words: { dtype: 'u32', shape: [64], values: () => 0 },
      weight: { dtype, shape: [2, 32] },
    },
  },
]);
