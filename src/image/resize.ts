import { InputError } from '../core/errors.ts';
import type { Picture } from './picture.ts';
import { computeCoefficients, resampleColumns, resampleRows } from './resample.ts';
import { type FilterName, type ResampleFilter, smoothFilters } from './resample-filters.ts';

/**
 * Pillow's resize, bit for bit, for 8-bit RGB: antialiased (the filter widens when shrinking), two passes,
 * fixed-point sums rounded to 8 bits after each.
 * Source: Pillow 13, src/libImaging/Resample.c and Geometry.c (nearest).
 */

/** 32 bits less 8 for the pixel and 2 for the overshoot of filters with negative lobes. */
const PRECISION_BITS = 32 - 8 - 2;
const CHANNELS = 3;

/** Resizes to exactly `width` x `height`. Throws InputError when a target edge is not a positive integer. */
export function resize(picture: Picture, width: number, height: number, filter: FilterName): Picture {
  checkTarget(width, height);
  if (width === picture.width && height === picture.height) return picture;
  if (filter === 'nearest') return resizeNearest(picture, width, height);

  const kernel = smoothFilters[filter];
  return isVerticalFirst(picture, width, height)
    ? resizeWidth(resizeHeight(picture, height, kernel), width, kernel)
    : resizeHeight(resizeWidth(picture, width, kernel), height, kernel);
}

/** Rounding between the passes makes their order visible. Pillow before 13 always ran the horizontal one first. */
function isVerticalFirst(picture: Picture, width: number, height: number): boolean {
  const rowsLost = picture.height - height;
  return rowsLost > 0 && rowsLost > (picture.width - width) * 2;
}

function resizeWidth(picture: Picture, width: number, filter: ResampleFilter): Picture {
  if (width === picture.width) return picture;
  return resampleRows(
    picture,
    width,
    computeCoefficients(picture.width, width, filter, () => PRECISION_BITS),
  );
}

function resizeHeight(picture: Picture, height: number, filter: ResampleFilter): Picture {
  if (height === picture.height) return picture;
  return resampleColumns(
    picture,
    height,
    computeCoefficients(picture.height, height, filter, () => PRECISION_BITS),
  );
}

function resizeNearest(picture: Picture, width: number, height: number): Picture {
  const columns = nearestPositions(picture.width, width);
  const rows = nearestPositions(picture.height, height);
  const data = new Uint8Array(width * height * CHANNELS);
  let write = 0;
  for (const row of rows) {
    for (const column of columns) {
      const read = (row * picture.width + column) * CHANNELS;
      data.set(picture.data.subarray(read, read + CHANNELS), write);
      write += CHANNELS;
    }
  }
  return { width, height, data };
}

/** Adds the step up rather than multiplying: Pillow's sum drifts, and the drift decides ties. */
function nearestPositions(inSize: number, outSize: number): Int32Array {
  const step = inSize / outSize;
  const positions = new Int32Array(outSize);
  let position = step * 0.5;
  for (let out = 0; out < outSize; out++) {
    positions[out] = Math.min(Math.trunc(position), inSize - 1);
    position += step;
  }
  return positions;
}

/** Throws InputError when a target edge is not a positive integer. */
export function checkTarget(width: number, height: number): void {
  if (Number.isInteger(width) && Number.isInteger(height) && width > 0 && height > 0) return;
  throw new InputError(`resize: target is ${width}x${height}; expected two positive whole numbers.`);
}
