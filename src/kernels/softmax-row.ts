import { DTYPE_BYTES } from '../core/dtype.ts';
import { dim, elementCount } from '../core/shape.ts';
import { required } from '../ops/op.ts';
import { softmax } from '../ops/softmax.ts';
import { workgroupIndex } from '../wgsl/dispatch.ts';
import { workgroupMax, workgroupSum } from '../wgsl/reduce.ts';
import { wgsl } from '../wgsl/wgsl.ts';
import { type Cost, defineKernel, type KernelCall, type OpCall, spreadWorkgroups } from './kernel.ts';
import { ROW_WORKGROUP_SIZES, rowEfficiency, supportsRow } from './row-workgroup.ts';

/** Sizes for every kernel of softmax. */
export function prepareSoftmax({ inputs }: OpCall) {
  const x = required(inputs, 'x', 'softmax');
  const cols = dim(x.shape, -1);
  return { params: { rows: elementCount(x.shape) / cols, cols } };
}

export function softmaxCost({ params, dtypes }: KernelCall<{ rows: 'u32'; cols: 'u32' }>): Cost {
  const elements = params.rows * params.cols;
  const bytes = elements * DTYPE_BYTES[dtypes.x ?? 'f32'];
  return { flops: 5 * elements, bytesRead: bytes, bytesWritten: bytes };
}

/**
 * Row softmax: y[r, c] = exp(x[r, c] - m[r]) / sum_c exp(x[r, c] - m[r]); one workgroup per row.
 * Two reads of the row: an online max and sum (Milakov & Gimelshein 2018, algorithm 3), then the division.
 * x [rows, cols] f32|f16 → y same. Accumulates in f32.
 */
export const softmaxRow = defineKernel({
  name: 'softmax_row',
  op: softmax,
  bindings: { x: 'read', y: 'write' },
  params: { rows: 'u32', cols: 'u32' },
  tuning: { workgroupSize: ROW_WORKGROUP_SIZES },
  prepare: prepareSoftmax,
  supports: ({ params }, t, caps) => supportsRow(params.cols, t.workgroupSize, caps),
  wgsl: ({ dtypes }, t) => wgsl`
    ${workgroupIndex}${workgroupMax(t.workgroupSize)}${workgroupSum(t.workgroupSize)}
    const WORKGROUP_SIZE = ${t.workgroupSize}u;
    // Finite, so that a wholly masked row gives exp(0) * 0 rather than NaN.
    const LOWEST = -3.4028234e38;

    @compute @workgroup_size(WORKGROUP_SIZE)
    fn main(
      @builtin(workgroup_id) workgroupId: vec3u,
      @builtin(num_workgroups) numWorkgroups: vec3u,
      @builtin(local_invocation_index) thread: u32,
    ) {
      let row = workgroupIndex(workgroupId, numWorkgroups);
      if (row >= params.rows) { return; }
      let start = row * params.cols;

      var threadMax = LOWEST;
      var threadSum = 0.0;
      for (var c = thread; c < params.cols; c += WORKGROUP_SIZE) {
        let value = max(f32(x[start + c]), LOWEST);
        let newMax = max(threadMax, value);
        threadSum = threadSum * exp(threadMax - newMax) + exp(value - newMax);
        threadMax = newMax;
      }
      let rowMax = workgroupMax(threadMax, thread);
      let rowSum = workgroupSum(threadSum * exp(threadMax - rowMax), thread);

      for (var c = thread; c < params.cols; c += WORKGROUP_SIZE) {
        y[start + c] = ${dtypes.y ?? 'f32'}(exp(f32(x[start + c]) - rowMax) / rowSum);
      }
    }
  `,
  dispatch: ({ params }) => spreadWorkgroups(params.rows),
  cost: softmaxCost,
  efficiency: ({ params }, t, caps) => rowEfficiency(params.cols, t.workgroupSize, caps),
});
