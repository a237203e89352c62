import { DTYPE_BYTES } from '../core/dtype.ts';
import { dim, elementCount } from '../core/shape.ts';
import { conv2d } from '../ops/conv2d.ts';
import { required } from '../ops/op.ts';
import { wgsl } from '../wgsl/wgsl.ts';
import { elementMain, elementWorkgroups } from './element-threads.ts';
import { defineKernel } from './kernel.ts';

/** Convolution, one thread per result over all taps; for small projectors, not for whole convolutional networks. */
export const conv2dDirect = defineKernel({
  name: 'conv2d_direct',
  op: conv2d,
  bindings: { x: 'read', weight: 'read', bias: 'read?', y: 'write' },
  params: {
    count: 'u32',
    channels: 'u32',
    height: 'u32',
    width: 'u32',
    outChannels: 'u32',
    outHeight: 'u32',
    outWidth: 'u32',
    groupChannels: 'u32',
    kernelHeight: 'u32',
    kernelWidth: 'u32',
    stride: 'u32',
    padding: 'i32',
  },
  tuning: { lanes: [1] },
  prepare({ inputs, outputs, attrs }) {
    const x = required(inputs, 'x', 'conv2d_direct').shape;
    const weight = required(inputs, 'weight', 'conv2d_direct').shape;
    const y = required(outputs, 'y', 'conv2d_direct').shape;
    return {
      params: {
        count: elementCount(y),
        channels: dim(x, 1),
        height: dim(x, 2),
        width: dim(x, 3),
        outChannels: dim(y, 1),
        outHeight: dim(y, 2),
        outWidth: dim(y, 3),
        groupChannels: dim(weight, 1),
        kernelHeight: dim(weight, 2),
        kernelWidth: dim(weight, 3),
        stride: attrs.stride,
        padding: attrs.padding,
      },
    };
  },
  supports: () => true,
  wgsl: ({ dtypes }, t) =>
    elementMain(
      t,
      wgsl`
        let column = i % params.outWidth;
        let row = i / params.outWidth % params.outHeight;
        let outChannel = i / (params.outWidth * params.outHeight) % params.outChannels;
        let picture = i / (params.outWidth * params.outHeight * params.outChannels);

        let groups = params.channels / params.groupChannels;
        let group = outChannel / (params.outChannels / groups);
        let firstPlane = picture * params.channels + group * params.groupChannels;
        let top = i32(row * params.stride) - params.padding;
        let left = i32(column * params.stride) - params.padding;

        var sum = ${'bias' in dtypes ? 'f32(bias[outChannel])' : '0.0'};
        var tap = outChannel * params.groupChannels * params.kernelHeight * params.kernelWidth;
        for (var c = 0u; c < params.groupChannels; c++) {
          for (var ky = 0u; ky < params.kernelHeight; ky++) {
            for (var kx = 0u; kx < params.kernelWidth; kx++) {
              // Beyond the edge, also before it: a negative place is a huge one when unsigned.
              let r = u32(top + i32(ky));
              let k = u32(left + i32(kx));
              if (r < params.height && k < params.width) {
                let pixel = x[((firstPlane + c) * params.height + r) * params.width + k];
                sum += f32(pixel) * f32(weight[tap]);
              }
              tap++;
            }
          }
        }
        y[i] = ${required(dtypes, 'y', 'conv2d_direct')}(sum);
      `,
    ),
  dispatch: ({ params }, t) => elementWorkgroups(params.count, t),
  cost({ params, dtypes }) {
    const taps = params.count * params.groupChannels * params.kernelHeight * params.kernelWidth;
    const bytes = DTYPE_BYTES[required(dtypes, 'x', 'conv2d_direct')];
    return { flops: 2 * taps, bytesRead: 2 * taps * bytes, bytesWritten: params.count * bytes };
  },
});
