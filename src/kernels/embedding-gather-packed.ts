import { DTYPE_BYTES, isPacked } from '../core/dtype.ts';
import { dim, elementCount } from '../core/shape.ts';
import { embedding } from '../ops/embedding.ts';
import { required } from '../ops/op.ts';
import { packedVector } from '../wgsl/packed.ts';
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

/** As `embedding_gather`, from a packed table. ids [N], weight [rows, channels] q8|q4 → y [N, channels]. */
export const embeddingGatherPacked = defineKernel({
  name: 'embedding_gather_packed',
  op: embedding,
  bindings: { ids: 'read', weight: 'read', y: 'write' },
  params: { count: 'u32', channels: 'u32', rows: 'u32', rowOffset: 'u32' },
  tuning: ELEMENT_TUNING,
  prepare({ inputs, outputs, attrs }) {
    const { shape, dtype } = required(inputs, 'weight', 'embedding_gather_packed');
    if (!isPacked(dtype)) return `weight is ${dtype}, not packed`;
    const count = elementCount(required(outputs, 'y', 'embedding_gather_packed').shape);
    return {
      params: { count, channels: dim(shape, 1), rows: dim(shape, 0), rowOffset: attrs.rowOffset },
    };
  },
  supports: ({ params }, t) => lanesDivide({ channels: params.channels }, t),
  elements: ({ dtypes }, t) => ({ ...laneElements(dtypes, t, ['y']), weight: 'u32' }),
  wgsl({ dtypes }, t) {
    const element = laneType(required(dtypes, 'y', 'embedding_gather_packed'), t);
    const values = t.lanes === 4 ? '' : '[channel % 4u]';
    return elementMain(
      t,
      wgsl`
        ${packedVector(dtypes.weight === 'q4' ? 'q4' : 'q8')}
        let channel = i * LANES % params.channels;
        // Unsigned, so that an id before the first row wraps round to one beyond the last.
        let row = u32(ids[i * LANES / params.channels]) - params.rowOffset;
        if (row < params.rows) {
          y[i] = ${element}(packedVector(row, params.channels, channel / 4u)${values});
        } else {
          y[i] = ${element}();
        }
      `,
    );
  },
  dispatch: ({ params }, t) => elementWorkgroups(params.count, t),
  cost({ params, dtypes }) {
    return {
      flops: params.count,
      bytesRead: params.count * DTYPE_BYTES[required(dtypes, 'weight', 'embedding_gather_packed')],
      bytesWritten: params.count * DTYPE_BYTES[required(dtypes, 'y', 'embedding_gather_packed')],
    };
  },
  efficiency: (_call, t) => elementEfficiency(t),
});
