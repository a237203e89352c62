import type { Picture } from './picture.ts';
import type { ResampleFilter } from './resample-filters.ts';

/**
 * Separable resampling of 8-bit RGB in fixed point, shared by Pillow's resize and torchvision's: the filter widens when
 * shrinking, and each pass rounds its sums to 8 bits. The two differ in how many bits a weight has.
 */

const CHANNELS = 3;

/** For each output position: its first source pixel, how many it reads, and their fixed-point weights. */
export type Coefficients = {
  readonly start: Int32Array;
  readonly count: Int32Array;
  /** `[outSize, stride]`, the unused tail of each row zero. */
  readonly weights: Int32Array;
  readonly stride: number;
  /** Bits behind the point of a weight. */
  readonly precision: number;
};

/**
 * The weights of `outSize` positions over `inSize` pixels, each row summing to one. `choosePrecision` says from the
 * largest weight how many bits stand behind the point.
 */
export function computeCoefficients(
  inSize: number,
  outSize: number,
  filter: ResampleFilter,
  choosePrecision: (largest: number) => number,
): Coefficients {
  const scale = inSize / outSize;
  const filterScale = Math.max(scale, 1);
  const support = filter.support * filterScale;
  const stride = Math.ceil(support) * 2 + 1;
  const inverseScale = 1 / filterScale;

  const start = new Int32Array(outSize);
  const count = new Int32Array(outSize);
  const exact = new Float64Array(outSize * stride);
  let largest = 0;
  for (let out = 0; out < outSize; out++) {
    const center = (out + 0.5) * scale;
    const first = Math.max(Math.trunc(center - support + 0.5), 0);
    const taps = Math.min(Math.trunc(center + support + 0.5), inSize) - first;
    const row = exact.subarray(out * stride, out * stride + taps);
    let total = 0;
    for (let tap = 0; tap < taps; tap++) {
      const weight = filter.weight((tap + first - center + 0.5) * inverseScale);
      row[tap] = weight;
      total += weight;
    }
    for (let tap = 0; tap < taps; tap++) {
      if (total !== 0) row[tap] = (row[tap] as number) / total;
      largest = Math.max(largest, row[tap] as number);
    }
    start[out] = first;
    count[out] = taps;
  }
  const precision = choosePrecision(largest);
  const weights = Int32Array.from(exact, (weight) => toFixedPoint(weight, precision));
  return { start, count, weights, stride, precision };
}

/** Rounds half away from zero, as C's cast after adding +-0.5 does. */
const toFixedPoint = (weight: number, precision: number): number =>
  Math.trunc(weight * (1 << precision) + (weight < 0 ? -0.5 : 0.5));

export function resampleRows(picture: Picture, width: number, coefficients: Coefficients): Picture {
  const { start, count, weights, stride, precision } = coefficients;
  const round = 1 << (precision - 1);
  const { height, data: source } = picture;
  // Clamped, so that a store clips to 0 and 255.
  const target = new Uint8ClampedArray(width * height * CHANNELS);
  let write = 0;
  for (let y = 0; y < height; y++) {
    const rowStart = y * picture.width;
    for (let x = 0; x < width; x++) {
      let read = (rowStart + (start[x] as number)) * CHANNELS;
      let red = round;
      let green = round;
      let blue = round;
      const end = x * stride + (count[x] as number);
      for (let tap = x * stride; tap < end; tap++) {
        const weight = weights[tap] as number;
        red += (source[read] as number) * weight;
        green += (source[read + 1] as number) * weight;
        blue += (source[read + 2] as number) * weight;
        read += CHANNELS;
      }
      target[write++] = red >> precision;
      target[write++] = green >> precision;
      target[write++] = blue >> precision;
    }
  }
  return { width, height, data: new Uint8Array(target.buffer) };
}

export function resampleColumns(picture: Picture, height: number, coefficients: Coefficients): Picture {
  const { start, count, weights, stride, precision } = coefficients;
  const round = 1 << (precision - 1);
  const { width, data: source } = picture;
  const rowLength = width * CHANNELS;
  const target = new Uint8ClampedArray(height * rowLength);
  // Whole rows are summed at once: the source is then read in memory order.
  const sums = new Int32Array(rowLength);
  for (let y = 0; y < height; y++) {
    sums.fill(round);
    for (let tap = 0; tap < (count[y] as number); tap++) {
      const weight = weights[y * stride + tap] as number;
      const read = ((start[y] as number) + tap) * rowLength;
      for (let i = 0; i < rowLength; i++) {
        sums[i] = (sums[i] as number) + (source[read + i] as number) * weight;
      }
    }
    const write = y * rowLength;
    for (let i = 0; i < rowLength; i++) target[write + i] = (sums[i] as number) >> precision;
  }
  return { width, height, data: new Uint8Array(target.buffer) };
}
