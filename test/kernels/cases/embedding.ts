import type { DType } from '../../../src/core/dtype.ts';
import type { OpCase } from '../op-case.ts';

const embeddingCase = (
  label: string,
  table: readonly [rows: number, channels: number],
  ids: readonly number[],
  options: {
    readonly rowOffset?: number;
    readonly idType?: DType;
    readonly values?: (i: number) => number;
  } = {},
): OpCase => ({
  label,
  attrs: { dtype: 'f32', rowOffset: options.rowOffset ?? 0 },
  inputs: {
    ids: {
      dtype: options.idType ?? 'u32',
      shape: ids,
      values: options.values ?? ((i) => (i * 7) % table[0]),
    },
    weight: { dtype: 'float', shape: table },
  },
});

export const embeddingCases: readonly OpCase[] = [
  embeddingCase('one id of a table of one', [1, 1], [1]),
  embeddingCase('odd channels', [11, 7], [2, 5]),
  embeddingCase('four lanes', [11, 12], [3, 4]),
  embeddingCase('signed ids, one of them negative', [5, 8], [4], { idType: 'i32', values: (i) => i - 1 }),
  embeddingCase('the second part of a table', [5, 8], [12], { rowOffset: 5, values: (i) => i }),
  embeddingCase('more ids than a dimension of workgroups', [13, 65], [65537]),
];
