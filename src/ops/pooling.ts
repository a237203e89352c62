import { ShapeError } from '../core/errors.ts';
import { formatShape, type Shape } from '../core/shape.ts';
import { checkSize2d, featureMapSizes, mapElements, type Size2d } from './feature-map.ts';
import { defineOp, type Reference, type ReferenceTensor, required, type TensorType } from './op.ts';

export type AvgPool2dAttrs = { readonly kernel: Size2d; readonly stride: Size2d };
export type AdaptiveAvgPool2dAttrs = { readonly size: Size2d };

/** The range of rows (or columns) that output `i` is the mean of. */
type Window = (i: number) => readonly [begin: number, end: number];

/**
 * Mean over windows of `kernel`, `stride` apart, as torch without padding: what is left over at the bottom and right
 * is dropped. x [B, C, H, W] → y [B, C, H', W'].
 */
export const avgPool2d = defineOp<AvgPool2dAttrs>({
  name: 'avgPool2d',
  inputs: ['x'],
  infer(inputs, { kernel, stride }, where) {
    const x = required(inputs, 'x', where);
    const { height, width } = featureMapSizes(x, where);
    checkSize2d('kernel', kernel, 1, where);
    checkSize2d('stride', stride, 1, where);
    if (kernel[0] > height || kernel[1] > width) {
      throw new ShapeError(
        `${where}: kernel ${formatShape(kernel)} over x ${formatShape(x.shape)}; expected none larger than x.`,
      );
    }
    return { y: { dtype: x.dtype, shape: pooledShape(x, { kernel, stride }, where) } };
  },
});

export const avgPool2dReference: Reference<AvgPool2dAttrs> = (inputs, attrs) => {
  const x = required(inputs, 'x', 'avgPool2d');
  const window =
    (axis: 0 | 1): Window =>
    (i) => [i * attrs.stride[axis], i * attrs.stride[axis] + attrs.kernel[axis]];
  return { y: meansOf(x, pooledShape(x, attrs, 'avgPool2d'), window(0), window(1)) };
};

function pooledShape(x: TensorType, { kernel, stride }: AvgPool2dAttrs, where: string): Shape {
  const { batch, channels, height, width } = featureMapSizes(x, where);
  const size = (axis: 0 | 1, input: number): number => Math.floor((input - kernel[axis]) / stride[axis]) + 1;
  return [batch, channels, size(0, height), size(1, width)];
}

/**
 * Mean over windows that cut the map into `size` parts, overlapping where it does not divide, as torch: part i goes
 * from floor(i H / H') to ceil((i + 1) H / H'). x [B, C, H, W] → y [B, C, H', W'].
 */
export const adaptiveAvgPool2d = defineOp<AdaptiveAvgPool2dAttrs>({
  name: 'adaptiveAvgPool2d',
  inputs: ['x'],
  infer(inputs, { size }, where) {
    const x = required(inputs, 'x', where);
    const { batch, channels } = featureMapSizes(x, where);
    checkSize2d('size', size, 1, where);
    return { y: { dtype: x.dtype, shape: [batch, channels, ...size] } };
  },
});

export const adaptiveAvgPool2dReference: Reference<AdaptiveAvgPool2dAttrs> = (inputs, { size }) => {
  const x = required(inputs, 'x', 'adaptiveAvgPool2d');
  const { batch, channels, height, width } = featureMapSizes(x, 'adaptiveAvgPool2d');
  const window =
    (input: number, output: number): Window =>
    (i) => [Math.floor((i * input) / output), Math.ceil(((i + 1) * input) / output)];
  const shape = [batch, channels, ...size];
  return { y: meansOf(x, shape, window(height, size[0]), window(width, size[1])) };
};

function meansOf(x: ReferenceTensor, shape: readonly number[], rows: Window, columns: Window): Float64Array {
  const { height, width } = featureMapSizes(x, 'pooling');
  return mapElements(shape, (plane, row, column) => {
    const [top, bottom] = rows(row);
    const [left, right] = columns(column);
    let sum = 0;
    for (let r = top; r < bottom; r++)
      for (let c = left; c < right; c++) sum += x.data[(plane * height + r) * width + c] ?? Number.NaN;
    return sum / ((bottom - top) * (right - left));
  });
}
