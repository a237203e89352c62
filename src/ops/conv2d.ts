import { isFloat } from '../core/dtype.ts';
import { ShapeError } from '../core/errors.ts';
import { formatShape, type Shape, sameShape } from '../core/shape.ts';
import { featureMapSizes, mapElements } from './feature-map.ts';
import { defineOp, type Reference, required, type TensorType } from './op.ts';

export type Conv2dAttrs = { readonly stride: number; readonly padding: number; readonly groups: number };

/**
 * Convolution as torch's `conv2d`, zero-padded alike on all sides.
 * x [B, Cin, H, W], weight [Cout, Cin / groups, Kh, Kw], bias? [Cout] → y [B, Cout, H', W'].
 */
export const conv2d = defineOp<Conv2dAttrs>({
  name: 'conv2d',
  inputs: ['x', 'weight', 'bias?'],
  infer(inputs, { stride, padding, groups }, where) {
    const x = required(inputs, 'x', where);
    const weight = required(inputs, 'weight', where);
    const { channels } = featureMapSizes(x, where);
    const [outChannels = 0, groupChannels = 0] = weight.shape;
    const shape = convolvedShape(x, weight, { stride, padding, groups }, where);
    const fits =
      weight.shape.length === 4 &&
      isFloat(weight.dtype) &&
      groupChannels * groups === channels &&
      outChannels % groups === 0 &&
      (!inputs.bias || (isFloat(inputs.bias.dtype) && sameShape(inputs.bias.shape, [outChannels]))) &&
      shape.every((size) => size >= 1);
    if (!fits) {
      throw new ShapeError(
        `${where}: x ${formatShape(x.shape)}, weight ${weight.dtype} ${formatShape(weight.shape)}, ` +
          `bias ${inputs.bias ? formatShape(inputs.bias.shape) : 'none'}, ${groups} groups, padding ${padding}; ` +
          `expected a weight [Cout, ${channels / groups}, Kh, Kw] and a bias [Cout] that x is large enough for.`,
      );
    }
    return { y: { dtype: x.dtype, shape } };
  },
});

export const conv2dReference: Reference<Conv2dAttrs> = (inputs, attrs) => {
  const x = required(inputs, 'x', 'conv2d');
  const weight = required(inputs, 'weight', 'conv2d');
  const { channels, height, width } = featureMapSizes(x, 'conv2d');
  const [outChannels = 0, groupChannels = 0, kernelHeight = 0, kernelWidth = 0] = weight.shape;
  const pixel = (plane: number, row: number, column: number): number =>
    row < 0 || row >= height || column < 0 || column >= width
      ? 0
      : (x.data[(plane * height + row) * width + column] ?? Number.NaN);
  const values = mapElements(convolvedShape(x, weight, attrs, 'conv2d'), (plane, row, column) => {
    const outChannel = plane % outChannels;
    const group = Math.floor(outChannel / (outChannels / attrs.groups));
    const firstPlane = Math.floor(plane / outChannels) * channels + group * groupChannels;
    let sum = inputs.bias?.data[outChannel] ?? 0;
    for (let c = 0; c < groupChannels; c++)
      for (let ky = 0; ky < kernelHeight; ky++)
        for (let kx = 0; kx < kernelWidth; kx++) {
          const tap = ((outChannel * groupChannels + c) * kernelHeight + ky) * kernelWidth + kx;
          const [r, k] = [
            row * attrs.stride + ky - attrs.padding,
            column * attrs.stride + kx - attrs.padding,
          ];
          sum += pixel(firstPlane + c, r, k) * (weight.data[tap] ?? Number.NaN);
        }
    return sum;
  });
  return { y: values };
};

function convolvedShape(x: TensorType, weight: TensorType, attrs: Conv2dAttrs, where: string): Shape {
  const { batch, height, width } = featureMapSizes(x, where);
  const [outChannels = 0, , kernelHeight = 0, kernelWidth = 0] = weight.shape;
  const size = (input: number, kernel: number): number =>
    Math.floor((input + 2 * attrs.padding - kernel) / attrs.stride) + 1;
  return [batch, outChannels, size(height, kernelHeight), size(width, kernelWidth)];
}
