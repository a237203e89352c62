import { DTYPE_BYTES } from '../core/dtype.ts';
import { dim, elementCount } from '../core/shape.ts';
import { required } from '../ops/op.ts';
import { adaptiveAvgPool2d, avgPool2d } from '../ops/pooling.ts';
import { type WgslSource, wgsl } from '../wgsl/wgsl.ts';
import { elementMain, elementWorkgroups } from './element-threads.ts';
import { defineKernel, type KernelCall, type OpCall } from './kernel.ts';

/** Mean over windows, one thread per result. x [B, C, H, W] → y [B, C, H', W']. */
export const avgPool2dWindow = defineKernel({
  name: 'avg_pool_2d_window',
  op: avgPool2d,
  bindings: { x: 'read', y: 'write' },
  params: {
    count: 'u32',
    height: 'u32',
    width: 'u32',
    outHeight: 'u32',
    outWidth: 'u32',
    kernelHeight: 'u32',
    kernelWidth: 'u32',
    strideY: 'u32',
    strideX: 'u32',
  },
  tuning: { lanes: [1] },
  prepare(call) {
    const [kernelHeight, kernelWidth] = call.attrs.kernel;
    const [strideY, strideX] = call.attrs.stride;
    return { params: { ...mapSizes(call), kernelHeight, kernelWidth, strideY, strideX } };
  },
  supports: () => true,
  wgsl: ({ dtypes }, t) =>
    elementMain(
      t,
      meanText(
        required(dtypes, 'y', 'avg_pool_2d_window'),
        wgsl`
          let top = row * params.strideY;
          let bottom = top + params.kernelHeight;
          let left = column * params.strideX;
          let right = left + params.kernelWidth;
        `,
      ),
    ),
  dispatch: ({ params }, t) => elementWorkgroups(params.count, t),
  cost: (call) => poolCost(call, call.params.kernelHeight * call.params.kernelWidth),
});

/** Mean over windows that cut a map into parts, one thread per result. x [B, C, H, W] → y [B, C, H', W']. */
export const adaptiveAvgPool2dWindow = defineKernel({
  name: 'adaptive_avg_pool_2d_window',
  op: adaptiveAvgPool2d,
  bindings: { x: 'read', y: 'write' },
  params: { count: 'u32', height: 'u32', width: 'u32', outHeight: 'u32', outWidth: 'u32' },
  tuning: { lanes: [1] },
  prepare: (call) => ({ params: mapSizes(call) }),
  supports: () => true,
  wgsl: ({ dtypes }, t) =>
    elementMain(
      t,
      meanText(
        required(dtypes, 'y', 'adaptive_avg_pool_2d_window'),
        wgsl`
          let top = row * params.height / params.outHeight;
          let bottom = ((row + 1u) * params.height + params.outHeight - 1u) / params.outHeight;
          let left = column * params.width / params.outWidth;
          let right = ((column + 1u) * params.width + params.outWidth - 1u) / params.outWidth;
        `,
      ),
    ),
  dispatch: ({ params }, t) => elementWorkgroups(params.count, t),
  cost(call) {
    const { height, width, outHeight, outWidth } = call.params;
    return poolCost(call, Math.ceil(height / outHeight) * Math.ceil(width / outWidth));
  },
});

function mapSizes({ inputs, outputs }: Pick<OpCall, 'inputs' | 'outputs'>) {
  const x = required(inputs, 'x', 'pooling').shape;
  const y = required(outputs, 'y', 'pooling').shape;
  return {
    count: elementCount(y),
    height: dim(x, 2),
    width: dim(x, 3),
    outHeight: dim(y, 2),
    outWidth: dim(y, 3),
  };
}

const meanText = (dtype: string, window: WgslSource): WgslSource => wgsl`
  let column = i % params.outWidth;
  let row = i / params.outWidth % params.outHeight;
  let plane = i / (params.outWidth * params.outHeight);
  ${window}

  var sum = 0.0;
  for (var r = top; r < bottom; r++) {
    for (var c = left; c < right; c++) {
      sum += f32(x[(plane * params.height + r) * params.width + c]);
    }
  }
  y[i] = ${dtype}(sum / f32((bottom - top) * (right - left)));
`;

function poolCost({ params, dtypes }: Pick<KernelCall, 'params' | 'dtypes'>, windowSize: number) {
  const count = params.count ?? 0;
  const bytes = DTYPE_BYTES[required(dtypes, 'x', 'pooling')];
  return { flops: count * windowSize, bytesRead: count * windowSize * bytes, bytesWritten: count * bytes };
}
