import { elementCount, type Shape } from '../core/shape.ts';
import {
  type Conv2dGradientAttrs,
  conv2dInputGradient,
  conv2dWeightGradient,
} from '../ops/conv2d-gradients.ts';
import { required } from '../ops/op.ts';
import { wgsl } from '../wgsl/wgsl.ts';
import { elementMain, elementWorkgroups } from './element-threads.ts';
import { type Cost, defineKernel } from './kernel.ts';

// Both gradients of a convolution, one thread per result over all products it is made of.

const params = {
  count: 'u32',
  batch: 'u32',
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
} as const;

type Sizes = Readonly<Record<keyof typeof params, number>>;

function sizesOf(dy: Shape, x: Shape, weight: Shape, { stride, padding, shape }: Conv2dGradientAttrs): Sizes {
  const [batch = 0, channels = 0, height = 0, width = 0] = x;
  const [, outChannels = 0, outHeight = 0, outWidth = 0] = dy;
  const [, groupChannels = 0, kernelHeight = 0, kernelWidth = 0] = weight;
  const map = { batch, channels, height, width, outChannels, outHeight, outWidth };
  return { count: elementCount(shape), ...map, groupChannels, kernelHeight, kernelWidth, stride, padding };
}

function convGradientCost({ params: sizes }: { readonly params: Sizes }): Cost {
  const { batch, outChannels, outHeight, outWidth, groupChannels, kernelHeight, kernelWidth, count } = sizes;
  const products = batch * outChannels * outHeight * outWidth * groupChannels * kernelHeight * kernelWidth;
  return { flops: 2 * products, bytesRead: 8 * products, bytesWritten: 4 * count };
}

export const conv2dInputGradientDirect = defineKernel({
  name: 'conv2d_input_gradient_direct',
  op: conv2dInputGradient,
  bindings: { dy: 'read', weight: 'read', y: 'write' },
  params,
  tuning: { lanes: [1] },
  prepare({ inputs, attrs }) {
    const [dy, weight] = [required(inputs, 'dy', 'dx'), required(inputs, 'weight', 'dx')];
    return { params: sizesOf(dy.shape, attrs.shape, weight.shape, attrs) };
  },
  supports: () => true,
  wgsl: (_shape, t) =>
    elementMain(
      t,
      wgsl`
        let column = i32(i % params.width) + params.padding;
        let row = i32(i / params.width % params.height) + params.padding;
        let channel = i / (params.width * params.height) % params.channels;
        let picture = i / (params.width * params.height * params.channels);
        let groups = params.channels / params.groupChannels;
        let groupOut = params.outChannels / groups;
        let group = channel / params.groupChannels;

        var sum = 0.0;
        for (var o = group * groupOut; o < (group + 1u) * groupOut; o++) {
          let plane = (picture * params.outChannels + o) * params.outHeight;
          let firstTap = (o * params.groupChannels + channel % params.groupChannels) * params.kernelHeight;
          for (var ky = 0u; ky < params.kernelHeight; ky++) {
            // The result at this place that the tap reads this pixel for, where there is one.
            let top = row - i32(ky);
            let r = u32(top) / params.stride;
            if (top < 0 || u32(top) % params.stride != 0u || r >= params.outHeight) { continue; }
            for (var kx = 0u; kx < params.kernelWidth; kx++) {
              let left = column - i32(kx);
              let k = u32(left) / params.stride;
              if (left < 0 || u32(left) % params.stride != 0u || k >= params.outWidth) { continue; }
              let tap = f32(weight[(firstTap + ky) * params.kernelWidth + kx]);
              sum += f32(dy[(plane + r) * params.outWidth + k]) * tap;
            }
          }
        }
        y[i] = sum;
      `,
    ),
  dispatch: ({ params: { count } }, t) => elementWorkgroups(count, t),
  cost: convGradientCost,
});

export const conv2dWeightGradientDirect = defineKernel({
  name: 'conv2d_weight_gradient_direct',
  op: conv2dWeightGradient,
  bindings: { dy: 'read', x: 'read', y: 'write' },
  params,
  tuning: { lanes: [1] },
  prepare({ inputs, attrs }) {
    const [dy, x] = [required(inputs, 'dy', 'dw'), required(inputs, 'x', 'dw')];
    return { params: sizesOf(dy.shape, x.shape, attrs.shape, attrs) };
  },
  supports: () => true,
  wgsl: (_shape, t) =>
    elementMain(
      t,
      wgsl`
        let kx = i % params.kernelWidth;
        let ky = i / params.kernelWidth % params.kernelHeight;
        let c = i / (params.kernelWidth * params.kernelHeight) % params.groupChannels;
        let o = i / (params.kernelWidth * params.kernelHeight * params.groupChannels);
        let groups = params.channels / params.groupChannels;
        let channel = o / (params.outChannels / groups) * params.groupChannels + c;

        var sum = 0.0;
        for (var picture = 0u; picture < params.batch; picture++) {
          let outPlane = (picture * params.outChannels + o) * params.outHeight;
          let plane = (picture * params.channels + channel) * params.height;
          for (var row = 0u; row < params.outHeight; row++) {
            // Beyond the edge, also before it: a negative place is a huge one when unsigned.
            let r = u32(i32(row * params.stride + ky) - params.padding);
            if (r >= params.height) { continue; }
            for (var column = 0u; column < params.outWidth; column++) {
              let k = u32(i32(column * params.stride + kx) - params.padding);
              if (k >= params.width) { continue; }
              let pixel = f32(x[(plane + r) * params.width + k]);
              sum += f32(dy[(outPlane + row) * params.outWidth + column]) * pixel;
            }
          }
        }
        y[i] = sum;
      `,
    ),
  dispatch: ({ params: { count } }, t) => elementWorkgroups(count, t),
  cost: convGradientCost,
});
