import type { ResampleFilter } from './resample-filters.ts';

/**
 * Separable resampling of 8-bit RGB in fixed point, shared by Pillow's resize and torchvision's: the filter widens when
 * shrinking, and each pass rounds its sums to 8 bits. The two differ in how many bits a weight has.
 */

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

/** The weights of `count` output positions from `first` on. */
export function sliceCoefficients(all: Coefficients, first: number, count: number): Coefficients {
  const { stride } = all;
  return {
    ...all,
    start: all.start.subarray(first, first + count),
    count: all.count.subarray(first, first + count),
    weights: all.weights.subarray(first * stride, (first + count) * stride),
  };
}
