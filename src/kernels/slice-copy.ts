import { DTYPE_BYTES } from '../core/dtype.ts';
import { elementCount, normalizeAxis } from '../core/shape.ts';
import { around, slice } from '../ops/movement.ts';
import { required } from '../ops/op.ts';
import { wgsl } from '../wgsl/wgsl.ts';
import {
  ELEMENT_TUNING,
  elementEfficiency,
  elementMain,
  elementWorkgroups,
  laneElements,
  lanesDivide,
} from './element-threads.ts';
import { defineKernel } from './kernel.ts';

/**
 * Part of one axis. With everything inside the axis flattened, y is runs of `span` neighbours, each `stride` after
 * the last in x, from `begin` on.
 */
export const sliceCopy = defineKernel({
  name: 'slice_copy',
  op: slice,
  bindings: { x: 'read', y: 'write' },
  params: { count: 'u32', span: 'u32', stride: 'u32', begin: 'u32' },
  tuning: ELEMENT_TUNING,
  prepare({ inputs, outputs, attrs }) {
    const { shape } = required(inputs, 'x', 'slice_copy');
    const { size, inner } = around(shape, normalizeAxis(attrs.axis, shape.length, 'slice_copy'));
    return {
      params: {
        count: elementCount(required(outputs, 'y', 'slice_copy').shape),
        span: (attrs.end - attrs.begin) * inner,
        stride: size * inner,
        begin: attrs.begin * inner,
      },
    };
  },
  supports({ params }, t) {
    const { span, stride, begin } = params;
    return lanesDivide({ span, stride, begin }, t);
  },
  elements: ({ dtypes }, t) => laneElements(dtypes, t),
  wgsl: (_shape, t) =>
    elementMain(
      t,
      wgsl`
        let span = params.span / LANES;
        y[i] = x[i / span * (params.stride / LANES) + params.begin / LANES + i % span];
      `,
    ),
  dispatch: ({ params }, t) => elementWorkgroups(params.count, t),
  cost({ params, dtypes }) {
    const bytes = params.count * DTYPE_BYTES[required(dtypes, 'x', 'slice_copy')];
    return { flops: 0, bytesRead: bytes, bytesWritten: bytes };
  },
  efficiency: (_call, t) => elementEfficiency(t),
});
