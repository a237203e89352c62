import { DTYPE_BYTES } from '../core/dtype.ts';
import { required } from '../ops/op.ts';
import { reduce, reducedView } from '../ops/reduce.ts';
import { wgsl } from '../wgsl/wgsl.ts';
import { elementMain, elementWorkgroups } from './element-threads.ts';
import { defineKernel } from './kernel.ts';
import { MAX, SUM } from './reduce-row.ts';

/**
 * Reduction of axes that are not innermost: one thread per result walks down its column, so that neighbouring
 * threads read neighbours. x [outer, length, inner] → y [outer, inner]. Accumulates in f32.
 */
export const reduceColumn = defineKernel({
  name: 'reduce_column',
  op: reduce,
  bindings: { x: 'read', y: 'write' },
  params: { count: 'u32', length: 'u32', inner: 'u32', factor: 'f32' },
  tuning: { lanes: [1] },
  prepare({ inputs, attrs }) {
    const { outer, length, inner } = reducedView(required(inputs, 'x', 'reduce_column').shape, attrs);
    if (inner === 1) return 'the reduced axes are innermost: rows, not columns';
    return {
      params: { count: outer * inner, length, inner, factor: attrs.kind === 'mean' ? 1 / length : 1 },
      variant: { max: attrs.kind === 'max' },
    };
  },
  supports: () => true,
  wgsl({ dtypes, variant }, t) {
    const { start, combine } = variant.max ? MAX : SUM;
    return elementMain(
      t,
      wgsl`
        var value = ${start};
        var at = i / params.inner * params.length * params.inner + i % params.inner;
        for (var row = 0u; row < params.length; row++) {
          value = ${combine('value', 'f32(x[at])')};
          at += params.inner;
        }
        y[i] = ${required(dtypes, 'y', 'reduce_column')}(value * params.factor);
      `,
    );
  },
  dispatch: ({ params }, t) => elementWorkgroups(params.count, t),
  cost({ params, dtypes }) {
    const bytes = DTYPE_BYTES[required(dtypes, 'x', 'reduce_column')];
    const elements = params.count * params.length;
    return { flops: elements, bytesRead: elements * bytes, bytesWritten: params.count * bytes };
  },
});
