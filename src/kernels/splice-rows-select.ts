import { DTYPE_BYTES } from '../core/dtype.ts';
import { dim, elementCount } from '../core/shape.ts';
import { required } from '../ops/op.ts';
import { spliceRows } from '../ops/splice-rows.ts';
import { wgsl } from '../wgsl/wgsl.ts';
import {
  ELEMENT_TUNING,
  elementEfficiency,
  elementMain,
  elementWorkgroups,
  laneElements,
  lanesDivide,
  laneType,
} from './element-threads.ts';
import { defineKernel } from './kernel.ts';

/** Each position takes its row of `rows`, or keeps its own where the index is negative. */
export const spliceRowsSelect = defineKernel({
  name: 'splice_rows_select',
  op: spliceRows,
  bindings: { x: 'read', rows: 'read', index: 'read', y: 'write' },
  params: { count: 'u32', channels: 'u32' },
  tuning: ELEMENT_TUNING,
  prepare({ inputs }) {
    const { shape } = required(inputs, 'x', 'splice_rows_select');
    return { params: { count: elementCount(shape), channels: dim(shape, -1) } };
  },
  supports: ({ params }, t) => lanesDivide({ channels: params.channels }, t),
  elements: ({ dtypes }, t) => laneElements(dtypes, t, ['x', 'rows', 'y']),
  wgsl({ dtypes }, t) {
    const element = laneType(required(dtypes, 'y', 'splice_rows_select'), t);
    return elementMain(
      t,
      wgsl`
        let channels = params.channels / LANES;
        let row = index[i / channels];
        if (row < 0) {
          y[i] = x[i];
        } else {
          y[i] = ${element}(rows[u32(row) * channels + i % channels]);
        }
      `,
    );
  },
  dispatch: ({ params }, t) => elementWorkgroups(params.count, t),
  cost({ params, dtypes }) {
    const bytes = params.count * DTYPE_BYTES[required(dtypes, 'x', 'splice_rows_select')];
    return { flops: 0, bytesRead: bytes, bytesWritten: bytes };
  },
  efficiency: (_call, t) => elementEfficiency(t),
});
