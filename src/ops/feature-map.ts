import { isFloat } from '../core/dtype.ts';
import { ShapeError } from '../core/errors.ts';
import { formatShape, type Shape } from '../core/shape.ts';
import type { TensorType } from './op.ts';

/** Sizes of a tensor [batch, channels, height, width]. */
export interface FeatureMapSizes {
  readonly batch: number;
  readonly channels: number;
  readonly height: number;
  readonly width: number;
}

/** Height and width of something. */
export type Size2d = readonly [height: number, width: number];

/** Throws ShapeError where `x` is no float tensor of rank 4. */
export function featureMapSizes(x: TensorType, where: string): FeatureMapSizes {
  const [batch = 0, channels = 0, height = 0, width = 0] = x.shape;
  if (x.shape.length !== 4 || !isFloat(x.dtype)) {
    throw new ShapeError(
      `${where}: x is ${x.dtype} ${formatShape(x.shape)}; expected floats [batch, channels, height, width].`,
    );
  }
  return { batch, channels, height, width };
}

/** Throws ShapeError where a height or width is no integer of at least `least`. */
export function checkSize2d(name: string, size: Size2d, least: number, where: string): void {
  if (size.some((n) => !Number.isInteger(n) || n < least))
    throw new ShapeError(`${where}: ${name} is ${formatShape(size)}; expected integers from ${least}.`);
}

/** Calls `visit` for each element of a map, in row-major order; `plane` counts batch and channels together. */
export function mapElements(
  shape: Shape,
  visit: (plane: number, row: number, column: number) => number,
): Float64Array {
  const [batch = 0, channels = 0, height = 0, width = 0] = shape;
  return new Float64Array(batch * channels * height * width).map((_, i) =>
    visit(Math.floor(i / (height * width)), Math.floor(i / width) % height, i % width),
  );
}
