import { DTYPE_BYTES, isPacked } from '../core/dtype.ts';
import { dim, elementCount } from '../core/shape.ts';
import { embedding } from '../ops/embedding.ts';
import { required } from '../ops/op.ts';
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

/** Rows of a table by id; zeros for ids outside it. ids [N], weight [rows, channels] → y [N, channels]. */
export const embeddingGather = defineKernel({
  name: 'embedding_gather',
  op: embedding,
  bindings: { ids: 'read', weight: 'read', y: 'write' },
  params: { count: 'u32', channels: 'u32', rows: 'u32', rowOffset: 'u32' },
  tuning: ELEMENT_TUNING,
  prepare({ inputs, outputs, attrs }) {
    const { shape, dtype } = required(inputs, 'weight', 'embedding_gather');
    if (isPacked(dtype)) return `weight is ${dtype}, which embedding_gather_packed reads`;
    const count = elementCount(required(outputs, 'y', 'embedding_gather').shape);
    return {
      params: { count, channels: dim(shape, 1), rows: dim(shape, 0), rowOffset: attrs.rowOffset },
    };
  },
  supports: ({ params }, t) => lanesDivide({ channels: params.channels }, t),
  elements: ({ dtypes }, t) => laneElements(dtypes, t, ['weight', 'y']),
  wgsl({ dtypes }, t) {
    const element = laneType(required(dtypes, 'y', 'embedding_gather'), t);
    return elementMain(
      t,
      wgsl`
        let channels = params.channels / LANES;
        // Unsigned, so that an id before the first row wraps round to one beyond the last.
        let row = u32(ids[i / channels]) - params.rowOffset;
        if (row < params.rows) {
          y[i] = ${element}(weight[row * channels + i % channels]);
        } else {
          y[i] = ${element}();
        }
      `,
    );
  },
  dispatch: ({ params }, t) => elementWorkgroups(params.count, t),
  cost({ params, dtypes }) {
    return {
      flops: 0,
      bytesRead: params.count * DTYPE_BYTES[required(dtypes, 'weight', 'embedding_gather')],
      bytesWritten: params.count * DTYPE_BYTES[required(dtypes, 'y', 'embedding_gather')],
    };
  },
  efficiency: (_call, t) => elementEfficiency(t),
});
