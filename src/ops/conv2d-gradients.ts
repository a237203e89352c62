import { ShapeError } from '../core/errors.ts';
import { formatShape, type Shape } from '../core/shape.ts';
import type { Conv2dAttrs } from './conv2d.ts';
import { featureMapSizes } from './feature-map.ts';
import { defineOp, type Reference, type ReferenceTensor, required } from './op.ts';

export type Conv2dGradientAttrs = Conv2dAttrs & {
  /** Of what the gradient belongs to: x, or the weight. */
  readonly shape: Shape;
};

/** dx of `conv2d`: every tap carries its share of dy back. dy [B, Cout, H', W'], weight → y of x's shape. */
export const conv2dInputGradient = defineOp<Conv2dGradientAttrs>({
  name: 'conv2dInputGradient',
  inputs: ['dy', 'weight'],
  infer(inputs, { shape }, where) {
    const dy = required(inputs, 'dy', where);
    checkRank(shape, where);
    featureMapSizes(dy, where);
    return { y: { dtype: 'f32', shape } };
  },
});

export const conv2dInputGradientReference: Reference<Conv2dGradientAttrs> = (inputs, attrs) => {
  const dy = required(inputs, 'dy', 'conv2dInputGradient');
  const weight = required(inputs, 'weight', 'conv2dInputGradient');
  const y = new Float64Array(attrs.shape.reduce((product, size) => product * size, 1));
  eachTap(dy, weight.shape, attrs.shape, attrs, (at, tap, pixel) => {
    y[pixel] = (y[pixel] ?? 0) + (dy.data[at] ?? Number.NaN) * (weight.data[tap] ?? Number.NaN);
  });
  return { y };
};

/** dweight of `conv2d`. dy [B, Cout, H', W'], x [B, Cin, H, W] → y of the weight's shape. */
export const conv2dWeightGradient = defineOp<Conv2dGradientAttrs>({
  name: 'conv2dWeightGradient',
  inputs: ['dy', 'x'],
  infer(inputs, { shape }, where) {
    featureMapSizes(required(inputs, 'dy', where), where);
    featureMapSizes(required(inputs, 'x', where), where);
    checkRank(shape, where);
    return { y: { dtype: 'f32', shape } };
  },
});

export const conv2dWeightGradientReference: Reference<Conv2dGradientAttrs> = (inputs, attrs) => {
  const dy = required(inputs, 'dy', 'conv2dWeightGradient');
  const x = required(inputs, 'x', 'conv2dWeightGradient');
  const y = new Float64Array(attrs.shape.reduce((product, size) => product * size, 1));
  eachTap(dy, attrs.shape, x.shape, attrs, (at, tap, pixel) => {
    y[tap] = (y[tap] ?? 0) + (dy.data[at] ?? Number.NaN) * (x.data[pixel] ?? Number.NaN);
  });
  return { y };
};

function checkRank(shape: Shape, where: string): void {
  if (shape.length !== 4)
    throw new ShapeError(
      `${where}: shape is ${formatShape(shape)}; expected that of a map or weight of rank 4.`,
    );
}

/** Calls `visit` with the place in dy, in the weight and in x of every product of the convolution. */
function eachTap(
  dy: ReferenceTensor,
  weightShape: Shape,
  xShape: Shape,
  { stride, padding, groups }: Conv2dAttrs,
  visit: (at: number, tap: number, pixel: number) => void,
): void {
  const {
    channels: outChannels,
    height: outHeight,
    width: outWidth,
  } = featureMapSizes(dy, 'conv2d gradient');
  const [, groupChannels = 0, kernelHeight = 0, kernelWidth = 0] = weightShape;
  const [, channels = 0, height = 0, width = 0] = xShape;
  dy.data.forEach((_, at) => {
    const column = at % outWidth;
    const row = Math.floor(at / outWidth) % outHeight;
    const plane = Math.floor(at / (outWidth * outHeight));
    const outChannel = plane % outChannels;
    const group = Math.floor(outChannel / (outChannels / groups));
    const firstPlane = Math.floor(plane / outChannels) * channels + group * groupChannels;
    for (let c = 0; c < groupChannels; c++)
      for (let ky = 0; ky < kernelHeight; ky++)
        for (let kx = 0; kx < kernelWidth; kx++) {
          const [r, k] = [row * stride + ky - padding, column * stride + kx - padding];
          if (r < 0 || r >= height || k < 0 || k >= width) continue;
          const tap = ((outChannel * groupChannels + c) * kernelHeight + ky) * kernelWidth + kx;
          visit(at, tap, ((firstPlane + c) * height + r) * width + k);
        }
  });
}
