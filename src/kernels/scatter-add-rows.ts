import { DTYPE_BYTES } from '../core/dtype.ts';
import { dim, elementCount } from '../core/shape.ts';
import { required } from '../ops/op.ts';
import { scatterAdd } from '../ops/scatter-add.ts';
import { workgroupIndex } from '../wgsl/dispatch.ts';
import { wgsl } from '../wgsl/wgsl.ts';
import { defineKernel, spreadWorkgroups } from './kernel.ts';

/**
 * One workgroup per row of the result, a thread per column: all walk over the indices and add the rows that are theirs.
 * No atomics, so the order of the sum, and with it the last bit, is always the same.
 */
export const scatterAddRows = defineKernel({
  name: 'scatter_add_rows',
  op: scatterAdd,
  bindings: { index: 'read', x: 'read', y: 'write' },
  params: { rows: 'u32', channels: 'u32', count: 'u32', rowOffset: 'u32' },
  tuning: { workgroupSize: [64, 8] },
  prepare({ inputs, attrs }) {
    const index = required(inputs, 'index', 'scatter_add_rows');
    const x = required(inputs, 'x', 'scatter_add_rows');
    const params = { rows: attrs.rows, channels: dim(x.shape, -1), count: elementCount(index.shape) };
    return { params: { ...params, rowOffset: attrs.rowOffset } };
  },
  supports: () => true,
  wgsl: (_shape, { workgroupSize }) => wgsl`
    ${workgroupIndex}
    const WORKGROUP_SIZE = ${workgroupSize}u;

    @compute @workgroup_size(WORKGROUP_SIZE)
    fn main(
      @builtin(workgroup_id) workgroupId: vec3u,
      @builtin(num_workgroups) numWorkgroups: vec3u,
      @builtin(local_invocation_index) thread: u32,
    ) {
      let row = workgroupIndex(workgroupId, numWorkgroups);
      if (row >= params.rows) { return; }
      // An index below 0 is a huge one when unsigned.
      let wanted = row + params.rowOffset;
      for (var c = thread; c < params.channels; c += WORKGROUP_SIZE) {
        var sum = 0.0;
        for (var i = 0u; i < params.count; i++) {
          if (u32(index[i]) == wanted) { sum += f32(x[i * params.channels + c]); }
        }
        y[row * params.channels + c] = sum;
      }
    }
  `,
  dispatch: ({ params }) => spreadWorkgroups(params.rows),
  cost({ params, dtypes }) {
    const { rows, channels, count } = params;
    const xBytes = count * channels * DTYPE_BYTES[required(dtypes, 'x', 'scatter_add_rows')];
    return { flops: count * channels, bytesRead: xBytes + 4 * count, bytesWritten: 4 * rows * channels };
  },
  efficiency: ({ params }, { workgroupSize }, { kind }) =>
    kind === 'software' ? workgroupSize / 8 : Math.max(1, workgroupSize / params.channels),
});
