import { InputError } from '../core/errors.ts';
import type { Picture } from './picture.ts';
import { type FilterName, type ResampleFilter, smoothFilters } from './resample-filters.ts';

/**
 * Pillow's resize, bit for bit, for 8-bit RGB: antialiased (the filter widens when shrinking), two passes,
 * fixed-point sums rounded to 8 bits after each.
 * Source: Pillow 13, src/libImaging/Resample.c and Geometry.c (nearest).
 */

/** 32 bits less 8 for the pixel and 2 for the overshoot of filters with negative lobes. */
const PRECISION_BITS = 32 - 8 - 2;
const CHANNELS = 3;

/** For each output position: its first source pixel, how many it reads, and their fixed-point weights. */
type Coefficients = {
  readonly start: Int32Array;
  readonly count: Int32Array;
  /** `[outSize, stride]`, the unused tail of each row zero. */
  readonly weights: Int32Array;
  readonly stride: number;
};

/** Resizes to exactly `width` x `height`. Throws InputError when a target edge is not a positive integer. */
export function resize(picture: Picture, width: number, height: number, filter: FilterName): Picture {
  if (!Number.isInteger(width) || !Number.isInteger(height) || width < 1 || height < 1) {
    throw new InputError(`resize: target is ${width}x${height}; expected two positive whole numbers.`);
  }
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
  return resampleRows(picture, width, computeCoefficients(picture.width, width, filter));
}

function resizeHeight(picture: Picture, height: number, filter: ResampleFilter): Picture {
  if (height === picture.height) return picture;
  return resampleColumns(picture, height, computeCoefficients(picture.height, height, filter));
}

function computeCoefficients(inSize: number, outSize: number, filter: ResampleFilter): Coefficients {
  const scale = inSize / outSize;
  const filterScale = Math.max(scale, 1);
  const support = filter.support * filterScale;
  const stride = Math.ceil(support) * 2 + 1;
  const inverseScale = 1 / filterScale;

  const start = new Int32Array(outSize);
  const count = new Int32Array(outSize);
  const weights = new Int32Array(outSize * stride);
  const row = new Float64Array(stride);
  for (let out = 0; out < outSize; out++) {
    const center = (out + 0.5) * scale;
    const first = Math.max(Math.trunc(center - support + 0.5), 0);
    const taps = Math.min(Math.trunc(center + support + 0.5), inSize) - first;
    let total = 0;
    for (let tap = 0; tap < taps; tap++) {
      const weight = filter.weight((tap + first - center + 0.5) * inverseScale);
      row[tap] = weight;
      total += weight;
    }
    for (let tap = 0; tap < taps; tap++) {
      const weight = total === 0 ? (row[tap] ?? 0) : (row[tap] ?? 0) / total;
      weights[out * stride + tap] = toFixedPoint(weight);
    }
    start[out] = first;
    count[out] = taps;
  }
  return { start, count, weights, stride };
}

/** Rounds half away from zero, as C's cast after adding +-0.5 does. */
const toFixedPoint = (weight: number): number =>
  Math.trunc(weight * (1 << PRECISION_BITS) + (weight < 0 ? -0.5 : 0.5));

const ROUND = 1 << (PRECISION_BITS - 1);

function resampleRows(picture: Picture, width: number, coefficients: Coefficients): Picture {
  const { start, count, weights, stride } = coefficients;
  const { height, data: source } = picture;
  // Clamped, so that a store is Pillow's clip8.
  const target = new Uint8ClampedArray(width * height * CHANNELS);
  let write = 0;
  for (let y = 0; y < height; y++) {
    const rowStart = y * picture.width;
    for (let x = 0; x < width; x++) {
      let read = (rowStart + (start[x] as number)) * CHANNELS;
      let red = ROUND;
      let green = ROUND;
      let blue = ROUND;
      const end = x * stride + (count[x] as number);
      for (let tap = x * stride; tap < end; tap++) {
        const weight = weights[tap] as number;
        red += (source[read] as number) * weight;
        green += (source[read + 1] as number) * weight;
        blue += (source[read + 2] as number) * weight;
        read += CHANNELS;
      }
      target[write++] = red >> PRECISION_BITS;
      target[write++] = green >> PRECISION_BITS;
      target[write++] = blue >> PRECISION_BITS;
    }
  }
  return { width, height, data: new Uint8Array(target.buffer) };
}

function resampleColumns(picture: Picture, height: number, coefficients: Coefficients): Picture {
  const { start, count, weights, stride } = coefficients;
  const { width, data: source } = picture;
  const rowLength = width * CHANNELS;
  const target = new Uint8ClampedArray(height * rowLength);
  // Whole rows are summed at once: the source is then read in memory order.
  const sums = new Int32Array(rowLength);
  for (let y = 0; y < height; y++) {
    sums.fill(ROUND);
    for (let tap = 0; tap < (count[y] as number); tap++) {
      const weight = weights[y * stride + tap] as number;
      const read = ((start[y] as number) + tap) * rowLength;
      for (let i = 0; i < rowLength; i++) {
        sums[i] = (sums[i] as number) + (source[read + i] as number) * weight;
      }
    }
    const write = y * rowLength;
    for (let i = 0; i < rowLength; i++) target[write + i] = (sums[i] as number) >> PRECISION_BITS;
  }
  return { width, height, data: new Uint8Array(target.buffer) };
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
