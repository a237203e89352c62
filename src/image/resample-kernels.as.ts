/**
 * The inner loops of resampling, 128 bits at a time. This is AssemblyScript, which compiles to WebAssembly:
 * `npm run build:resample` makes resample-kernels.ts of it. Pointers are bytes of the memory that the caller lays out.
 *
 * A weight has more bits than a product of 16-bit numbers takes, so it is split: `weight = high * 2^15 + low`. Sums of
 * either half wrap around at 32 bits as sums of whole weights do, so that put together they are the same to the bit. For
 * each pair of taps lie four 16-bit numbers: both highs, both lows.
 */

const LOW_BITS: i32 = 15;
/** Bytes of the weights of a pair. */
const PAIR: usize = 8;
/** Bytes of a pixel. */
const PIXEL: usize = 3;

/** What stands before the point. Narrowing to 8 bits then clips to 0 and 255. */
// @ts-ignore: decorator
@inline
function round(high: v128, low: v128, precision: i32): v128 {
  return i32x4.shr_s(i32x4.add(i32x4.shl(high, LOW_BITS), low), precision);
}

// @ts-ignore: decorator
@inline
function storePixel(target: usize, sums: v128): void {
  const levels = i16x8.narrow_i32x4_s(sums, sums);
  v128.store32_lane(target, i8x16.narrow_i16x8_u(levels, levels), 0);
}

/**
 * Two rows of `width` pixels, `targetStride` apart, from two that are `sourceStride` apart, so that weights are loaded
 * once for both. A pixel sums `quads` times four pixels from its own start, which is in bytes. Reads up to 4 bytes
 * beyond the last of them and writes one beyond the end of each row.
 */
export function resampleRows(
  source: usize,
  sourceStride: usize,
  target: usize,
  targetStride: usize,
  width: i32,
  starts: usize,
  weights: usize,
  quads: i32,
  precision: i32,
): void {
  // Two taps of a channel beside each other, widened to 16 bits: red, green, blue, nothing. -1 gives 0.
  const firstPair = i8x16(0, -1, 3, -1, 1, -1, 4, -1, 2, -1, 5, -1, -1, -1, -1, -1);
  const secondPair = i8x16(6, -1, 9, -1, 7, -1, 10, -1, 8, -1, 11, -1, -1, -1, -1, -1);
  const half = i32x4.splat(1 << (precision - 1));
  for (let x = 0; x < width; x++) {
    let upper = source + load<usize>(starts);
    let lower = upper + sourceStride;
    let upperHigh = i32x4.splat(0);
    let lowerHigh = upperHigh;
    let upperLow = half;
    let lowerLow = half;
    for (let quad = 0; quad < quads; quad++) {
      const firstHighs = v128.load32_splat(weights);
      const firstLows = v128.load32_splat(weights, 4);
      const secondHighs = v128.load32_splat(weights, 8);
      const secondLows = v128.load32_splat(weights, 12);
      let pixels = v128.load(upper);
      let first = i8x16.swizzle(pixels, firstPair);
      let second = i8x16.swizzle(pixels, secondPair);
      upperHigh = i32x4.add(upperHigh, i32x4.dot_i16x8_s(first, firstHighs));
      upperLow = i32x4.add(upperLow, i32x4.dot_i16x8_s(first, firstLows));
      upperHigh = i32x4.add(upperHigh, i32x4.dot_i16x8_s(second, secondHighs));
      upperLow = i32x4.add(upperLow, i32x4.dot_i16x8_s(second, secondLows));
      pixels = v128.load(lower);
      first = i8x16.swizzle(pixels, firstPair);
      second = i8x16.swizzle(pixels, secondPair);
      lowerHigh = i32x4.add(lowerHigh, i32x4.dot_i16x8_s(first, firstHighs));
      lowerLow = i32x4.add(lowerLow, i32x4.dot_i16x8_s(first, firstLows));
      lowerHigh = i32x4.add(lowerHigh, i32x4.dot_i16x8_s(second, secondHighs));
      lowerLow = i32x4.add(lowerLow, i32x4.dot_i16x8_s(second, secondLows));
      upper += 4 * PIXEL;
      lower += 4 * PIXEL;
      weights += 2 * PAIR;
    }
    storePixel(target, round(upperHigh, upperLow, precision));
    storePixel(target + targetStride, round(lowerHigh, lowerLow, precision));
    target += PIXEL;
    starts += 4;
  }
}

/**
 * One row of `byteLength` bytes, each the sum of `pairs` times two rows, whose pointers lie at `rows`. Reads and writes
 * rows to their next multiple of 16 bytes.
 */
export function resampleColumns(
  rows: usize,
  target: usize,
  byteLength: usize,
  weights: usize,
  pairs: i32,
  precision: i32,
): void {
  const half = i32x4.splat(1 << (precision - 1));
  for (let i: usize = 0; i < byteLength; i += 16) {
    let high0 = i32x4.splat(0);
    let high1 = high0;
    let high2 = high0;
    let high3 = high0;
    let low0 = half;
    let low1 = half;
    let low2 = half;
    let low3 = half;
    let row = rows;
    let weight = weights;
    for (let pair = 0; pair < pairs; pair++) {
      const upper = v128.load(load<usize>(row) + i);
      const lower = v128.load(load<usize>(row, 4) + i);
      // The two rows' bytes beside each other.
      const left = i8x16.shuffle(upper, lower, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
      const right = i8x16.shuffle(upper, lower, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
      const highs = v128.load32_splat(weight);
      const lows = v128.load32_splat(weight, 4);
      let levels = i16x8.extend_low_i8x16_u(left);
      high0 = i32x4.add(high0, i32x4.dot_i16x8_s(levels, highs));
      low0 = i32x4.add(low0, i32x4.dot_i16x8_s(levels, lows));
      levels = i16x8.extend_high_i8x16_u(left);
      high1 = i32x4.add(high1, i32x4.dot_i16x8_s(levels, highs));
      low1 = i32x4.add(low1, i32x4.dot_i16x8_s(levels, lows));
      levels = i16x8.extend_low_i8x16_u(right);
      high2 = i32x4.add(high2, i32x4.dot_i16x8_s(levels, highs));
      low2 = i32x4.add(low2, i32x4.dot_i16x8_s(levels, lows));
      levels = i16x8.extend_high_i8x16_u(right);
      high3 = i32x4.add(high3, i32x4.dot_i16x8_s(levels, highs));
      low3 = i32x4.add(low3, i32x4.dot_i16x8_s(levels, lows));
      row += 8;
      weight += PAIR;
    }
    const first = i16x8.narrow_i32x4_s(round(high0, low0, precision), round(high1, low1, precision));
    const second = i16x8.narrow_i32x4_s(round(high2, low2, precision), round(high3, low3, precision));
    v128.store(target + i, i8x16.narrow_i16x8_u(first, second));
  }
}
