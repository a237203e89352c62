import { InputError } from '../core/errors.ts';
import { type CropBox, crop } from './crop.ts';
import type { Picture } from './picture.ts';
import { resample } from './resample.ts';
import { type FilterName, smoothFilters } from './resample-filters.ts';

/**
 * Pillow's resize, bit for bit, for 8-bit RGB: antialiased (the filter widens when shrinking), two passes,
 * fixed-point sums rounded to 8 bits after each.
 * Source: Pillow 13, src/libImaging/Resample.c and Geometry.c (nearest).
 */

/** 32 bits less 8 for the pixel and 2 for the overshoot of filters with negative lobes. */
const PRECISION_BITS = 32 - 8 - 2;
const CHANNELS = 3;

/**
 * Resizes to exactly `width` x `height`, and gives of that the part `box`, which lies inside, or all. Throws InputError
 * when a target edge is not a positive integer.
 */
export function resize(
  picture: Picture,
  width: number,
  height: number,
  filter: FilterName,
  box: CropBox = { left: 0, top: 0, width, height },
): Picture {
  checkTarget(width, height);
  if (filter === 'nearest') return crop(resizeNearest(picture, width, height), box);
  const resampling = {
    width,
    height,
    filter: smoothFilters[filter],
    choosePrecision: () => PRECISION_BITS,
    downFirst: isDownFirst(picture, width, height),
  };
  return resample(picture, resampling, box);
}

/** Rounding between the passes makes their order visible. Pillow before 13 always ran the horizontal one first. */
function isDownFirst(picture: Picture, width: number, height: number): boolean {
  const rowsLost = picture.height - height;
  return rowsLost > 0 && rowsLost > (picture.width - width) * 2;
}

function resizeNearest(picture: Picture, width: number, height: number): Picture {
  if (width === picture.width && height === picture.height) return picture;
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
