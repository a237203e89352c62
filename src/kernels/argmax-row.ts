import { DTYPE_BYTES } from '../core/dtype.ts';
import { dim, elementCount } from '../core/shape.ts';
import { required } from '../ops/op.ts';
import { argmax } from '../ops/reduce.ts';
import { workgroupArgmax } from '../wgsl/argmax.ts';
import { workgroupIndex } from '../wgsl/dispatch.ts';
import { wgsl } from '../wgsl/wgsl.ts';
import { defineKernel, spreadWorkgroups } from './kernel.ts';

/** Place of the first largest value of each row: one workgroup per row. x [rows, cols] → y [rows] u32. */
export const argmaxRow = defineKernel({
  name: 'argmax_row',
  op: argmax,
  bindings: { x: 'read', y: 'write' },
  params: { rows: 'u32', cols: 'u32' },
  tuning: { workgroupSize: [32, 256] },
  prepare({ inputs }) {
    const { shape } = required(inputs, 'x', 'argmax_row');
    const cols = dim(shape, -1);
    return { params: { rows: elementCount(shape) / cols, cols } };
  },
  supports({ params }, t, caps) {
    if (t.workgroupSize > caps.limits.maxComputeInvocationsPerWorkgroup)
      return `workgroup of ${t.workgroupSize} is over the adapter's limit`;
    const idle = t.workgroupSize > 32 && params.cols * 4 < t.workgroupSize;
    return !idle || `rows of ${params.cols} leave most of a workgroup of ${t.workgroupSize} idle`;
  },
  wgsl: (_shape, t) => wgsl`
    ${workgroupIndex}${workgroupArgmax(t.workgroupSize)}
    const WORKGROUP_SIZE = ${t.workgroupSize}u;
    const LOWEST = -3.4028234e38;

    @compute @workgroup_size(WORKGROUP_SIZE)
    fn main(
      @builtin(workgroup_id) workgroupId: vec3u,
      @builtin(num_workgroups) numWorkgroups: vec3u,
      @builtin(local_invocation_index) thread: u32,
    ) {
      let row = workgroupIndex(workgroupId, numWorkgroups);
      if (row >= params.rows) { return; }

      // A thread without columns offers one that loses every tie.
      var best = LOWEST;
      var bestColumn = max(thread, params.cols);
      for (var c = thread; c < params.cols; c += WORKGROUP_SIZE) {
        let value = max(f32(x[row * params.cols + c]), LOWEST);
        if (value > best || c == thread) {
          best = value;
          bestColumn = c;
        }
      }
      let column = workgroupArgmax(best, bestColumn, thread);
      if (thread == 0u) { y[row] = column; }
    }
  `,
  dispatch: ({ params }) => spreadWorkgroups(params.rows),
  cost({ params, dtypes }) {
    const elements = params.rows * params.cols;
    const bytesRead = elements * DTYPE_BYTES[required(dtypes, 'x', 'argmax_row')];
    return { flops: elements, bytesRead, bytesWritten: params.rows * 4 };
  },
});
