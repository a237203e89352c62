import { DTYPE_BYTES } from '../core/dtype.ts';
import { axisView, logSumExp } from '../ops/log-sum-exp.ts';
import { required } from '../ops/op.ts';
import { workgroupIndex } from '../wgsl/dispatch.ts';
import { workgroupMax, workgroupSum } from '../wgsl/reduce.ts';
import { wgsl } from '../wgsl/wgsl.ts';
import { elementMain, elementWorkgroups } from './element-threads.ts';
import { defineKernel, type KernelShape, spreadWorkgroups } from './kernel.ts';
import { ROW_WORKGROUP_SIZES, rowEfficiency, supportsRow } from './row-workgroup.ts';

/** The running maximum and the sum relative to it take in `value` (Milakov & Gimelshein 2018, algorithm 3). */
const TAKE_IN = [
  'let newMax = max(runningMax, value);',
  'runningSum = runningSum * exp(runningMax - newMax) + exp(value - newMax);',
  'runningMax = newMax;',
] as const;

/** Finite: WGSL has no literal for -inf, and exp(-inf + inf) would be NaN. */
const LOWEST = 'const LOWEST = -3.4028234e38;';

const costOf = (elements: number, results: number, { dtypes }: KernelShape) => ({
  flops: 4 * elements,
  bytesRead: elements * DTYPE_BYTES[required(dtypes, 'x', 'logSumExp')],
  bytesWritten: 4 * results,
});

/** Along the last axis: one workgroup per row, one read of it. x [rows, cols] → y [rows] f32. */
export const logSumExpRow = defineKernel({
  name: 'log_sum_exp_row',
  op: logSumExp,
  bindings: { x: 'read', y: 'write' },
  params: { rows: 'u32', cols: 'u32' },
  tuning: { workgroupSize: ROW_WORKGROUP_SIZES },
  prepare({ inputs, attrs }) {
    const { outer, length, inner } = axisView(required(inputs, 'x', 'log_sum_exp_row').shape, attrs);
    if (inner > 1) return `the axis is ${inner} elements apart, not innermost`;
    return { params: { rows: outer, cols: length } };
  },
  supports: ({ params }, t, caps) => supportsRow(params.cols, t.workgroupSize, caps),
  wgsl: (_shape, t) => wgsl`
    ${workgroupIndex}${workgroupMax(t.workgroupSize)}${workgroupSum(t.workgroupSize)}
    const WORKGROUP_SIZE = ${t.workgroupSize}u;
    ${LOWEST}

    @compute @workgroup_size(WORKGROUP_SIZE)
    fn main(
      @builtin(workgroup_id) workgroupId: vec3u,
      @builtin(num_workgroups) numWorkgroups: vec3u,
      @builtin(local_invocation_index) thread: u32,
    ) {
      let row = workgroupIndex(workgroupId, numWorkgroups);
      if (row >= params.rows) { return; }

      var runningMax = LOWEST;
      var runningSum = 0.0;
      for (var c = thread; c < params.cols; c += WORKGROUP_SIZE) {
        let value = f32(x[row * params.cols + c]);
        ${TAKE_IN}
      }
      let rowMax = workgroupMax(runningMax, thread);
      let rowSum = workgroupSum(runningSum * exp(runningMax - rowMax), thread);
      if (thread == 0u) { y[row] = rowMax + log(rowSum); }
    }
  `,
  dispatch: ({ params }) => spreadWorkgroups(params.rows),
  cost: (call) => costOf(call.params.rows * call.params.cols, call.params.rows, call),
  efficiency: ({ params }, t, caps) => rowEfficiency(params.cols, t.workgroupSize, caps),
});

/** Along another axis: one thread per result walks down its column. x [outer, length, inner] → y [outer, inner] f32. */
export const logSumExpColumn = defineKernel({
  name: 'log_sum_exp_column',
  op: logSumExp,
  bindings: { x: 'read', y: 'write' },
  params: { count: 'u32', length: 'u32', inner: 'u32' },
  tuning: { lanes: [1] },
  prepare({ inputs, attrs }) {
    const { outer, length, inner } = axisView(required(inputs, 'x', 'log_sum_exp_column').shape, attrs);
    if (inner === 1) return 'the axis is innermost: rows, not columns';
    return { params: { count: outer * inner, length, inner } };
  },
  supports: () => true,
  wgsl: (_shape, t) => wgsl`
    ${LOWEST}
    ${elementMain(
      t,
      wgsl`
        var runningMax = LOWEST;
        var runningSum = 0.0;
        var at = i / params.inner * params.length * params.inner + i % params.inner;
        for (var row = 0u; row < params.length; row++) {
          let value = f32(x[at]);
          ${TAKE_IN}
          at += params.inner;
        }
        y[i] = runningMax + log(runningSum);
      `,
    )}
  `,
  dispatch: ({ params }, t) => elementWorkgroups(params.count, t),
  cost: (call) => costOf(call.params.count * call.params.length, call.params.count, call),
});
