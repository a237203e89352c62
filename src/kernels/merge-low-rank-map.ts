import { dim } from '../core/shape.ts';
import { WEIGHT_FORMAT_BYTES, type WeightFormat } from '../ops/convert-weight.ts';
import { mergeLowRank } from '../ops/merge-low-rank.ts';
import { required } from '../ops/op.ts';
import { loadElement } from '../wgsl/load-element.ts';
import { wgsl } from '../wgsl/wgsl.ts';
import {
  ELEMENT_TUNING,
  elementEfficiency,
  elementMain,
  elementWorkgroups,
  laneType,
} from './element-threads.ts';
import { defineKernel } from './kernel.ts';

/** One element of y a thread, or four of a row: the rank is small, and each weight is merged once, while it loads. */
export const mergeLowRankMap = defineKernel({
  name: 'merge_low_rank_map',
  op: mergeLowRank,
  bindings: { words: 'read', left: 'read', right: 'read', y: 'write' },
  params: { count: 'u32', columns: 'u32', rank: 'u32', firstRow: 'u32' },
  tuning: ELEMENT_TUNING,
  prepare({ inputs, attrs }) {
    const { shape } = required(inputs, 'right', 'merge_low_rank_map');
    const [rank, columns] = [dim(shape, 0), dim(shape, 1)];
    return {
      params: { count: attrs.rows * columns, columns, rank, firstRow: attrs.firstRow },
      variant: { from: attrs.from },
    };
  },
  supports: ({ params }, { lanes }) =>
    params.columns % lanes === 0 || `${params.columns} columns are no multiple of ${lanes} lanes`,
  elements: (_shape, t) => ({ right: laneType('f32', t), y: laneType('f32', t) }),
  wgsl({ variant }, t) {
    const elements = [0, 1, 2, 3].slice(0, t.lanes).map((lane) => `loadElement(LANES * i + ${lane}u)`);
    return elementMain(
      t,
      wgsl`
        ${loadElement(variant.from as WeightFormat)}
        let columns = params.columns / LANES;
        let start = (params.firstRow + i / columns) * params.rank;
        var sum = ${laneType('f32', t)}(${elements.join(', ')});
        for (var r = 0u; r < params.rank; r++) {
          sum += left[start + r] * right[r * columns + i % columns];
        }
        y[i] = sum;
      `,
    );
  },
  dispatch: ({ params }, t) => elementWorkgroups(params.count, t),
  cost({ params, variant }) {
    return {
      flops: 2 * params.count * params.rank,
      bytesRead: params.count * WEIGHT_FORMAT_BYTES[variant.from as WeightFormat],
      bytesWritten: 4 * params.count,
    };
  },
  efficiency: (_call, t) => elementEfficiency(t),
});
