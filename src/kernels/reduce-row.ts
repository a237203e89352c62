import { DTYPE_BYTES } from '../core/dtype.ts';
import { required } from '../ops/op.ts';
import { reduce, reducedView } from '../ops/reduce.ts';
import { workgroupIndex } from '../wgsl/dispatch.ts';
import { workgroupMax, workgroupSum } from '../wgsl/reduce.ts';
import { wgsl } from '../wgsl/wgsl.ts';
import { defineKernel, spreadWorkgroups } from './kernel.ts';
import { ROW_WORKGROUP_SIZES, rowEfficiency, supportsRow } from './row-workgroup.ts';

/** Reduction of the innermost axes: one workgroup per row. x [rows, cols] → y [rows]. Accumulates in f32. */
export const reduceRow = defineKernel({
  name: 'reduce_row',
  op: reduce,
  bindings: { x: 'read', y: 'write' },
  params: { rows: 'u32', cols: 'u32', factor: 'f32' },
  tuning: { workgroupSize: ROW_WORKGROUP_SIZES },
  prepare({ inputs, attrs }) {
    const { outer, length, inner } = reducedView(required(inputs, 'x', 'reduce_row').shape, attrs);
    if (inner > 1) return `the reduced axes are ${inner} elements apart, not innermost`;
    return {
      params: { rows: outer, cols: length, factor: attrs.kind === 'mean' ? 1 / length : 1 },
      variant: { max: attrs.kind === 'max' },
    };
  },
  supports: ({ params }, t, caps) => supportsRow(params.cols, t.workgroupSize, caps),
  wgsl({ dtypes, variant }, t) {
    const { start, combine, merge } = variant.max ? MAX : SUM;
    return wgsl`
      ${workgroupIndex}${variant.max ? workgroupMax(t.workgroupSize) : workgroupSum(t.workgroupSize)}
      const WORKGROUP_SIZE = ${t.workgroupSize}u;

      @compute @workgroup_size(WORKGROUP_SIZE)
      fn main(
        @builtin(workgroup_id) workgroupId: vec3u,
        @builtin(num_workgroups) numWorkgroups: vec3u,
        @builtin(local_invocation_index) thread: u32,
      ) {
        let row = workgroupIndex(workgroupId, numWorkgroups);
        if (row >= params.rows) { return; }

        var value = ${start};
        for (var c = thread; c < params.cols; c += WORKGROUP_SIZE) {
          value = ${combine('value', 'f32(x[row * params.cols + c])')};
        }
        value = ${merge}(value, thread) * params.factor;
        if (thread == 0u) { y[row] = ${required(dtypes, 'y', 'reduce_row')}(value); }
      }
    `;
  },
  dispatch: ({ params }) => spreadWorkgroups(params.rows),
  cost({ params, dtypes }) {
    const bytes = DTYPE_BYTES[required(dtypes, 'x', 'reduce_row')];
    const elements = params.rows * params.cols;
    return { flops: elements, bytesRead: elements * bytes, bytesWritten: params.rows * bytes };
  },
  efficiency: ({ params }, t, caps) => rowEfficiency(params.cols, t.workgroupSize, caps),
});

interface Combination {
  readonly start: string;
  /** Name of the workgroup's combination. */
  readonly merge: string;
  combine(a: string, b: string): string;
}

export const SUM: Combination = { start: '0.0', merge: 'workgroupSum', combine: (a, b) => `${a} + ${b}` };

/** Starts at the lowest finite f32: WGSL has no literal for -inf. */
export const MAX: Combination = {
  start: '-3.4028234e38',
  merge: 'workgroupMax',
  combine: (a, b) => `max(${a}, ${b})`,
};
