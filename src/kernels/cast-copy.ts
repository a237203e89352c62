import { DTYPE_BYTES } from '../core/dtype.ts';
import { elementCount } from '../core/shape.ts';
import { cast } from '../ops/movement.ts';
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

/**
 * The same values as another dtype. WGSL truncates floats to integers and clamps to the integer's range; an f32
 * beyond 65504 becomes an infinite f16, or the largest one on adapters that clamp.
 */
export const castCopy = defineKernel({
  name: 'cast_copy',
  op: cast,
  bindings: { x: 'read', y: 'write' },
  params: { count: 'u32' },
  tuning: ELEMENT_TUNING,
  prepare: ({ inputs }) => ({ params: { count: elementCount(required(inputs, 'x', 'cast_copy').shape) } }),
  supports: ({ params }, t) => lanesDivide({ count: params.count }, t),
  elements: ({ dtypes }, t) => laneElements(dtypes, t),
  wgsl: ({ dtypes }, t) =>
    elementMain(t, wgsl`y[i] = ${laneType(required(dtypes, 'y', 'cast_copy'), t)}(x[i]);`),
  dispatch: ({ params }, t) => elementWorkgroups(params.count, t),
  cost({ params, dtypes }) {
    return {
      flops: 0,
      bytesRead: params.count * DTYPE_BYTES[required(dtypes, 'x', 'cast_copy')],
      bytesWritten: params.count * DTYPE_BYTES[required(dtypes, 'y', 'cast_copy')],
    };
  },
  efficiency: (_call, t) => elementEfficiency(t),
});
