import { BLOCK_SIZE, PACKED_ZERO, type PackedDType, packedRow } from './dtype.ts';
import { bfloat16ToFloat32, float32ToBfloat16, roundHalfToEven } from './float16.ts';

// What `quantize_weight_blocks` computes, step by step in f32, so that both choose the same integers.

/**
 * Divisors of a block's largest value (with its sign) that are tried for its scale; the least squared error wins. With
 * -8 the largest value is met exactly; beyond, it is clipped for the sake of the others. Relative RMS error of q4 for
 * normal values: 0.097 with a scale of max / 7, 0.0859 with -8 alone, 0.0822 with these; a minimum beside the
 * scale (5 bits an element) gives 0.0783, symmetric blocks of 16 (5 bits too) 0.0718. Of the built-in model's
 * tensors on average: 0.097, 0.0859, 0.0823, 0.0781, 0.0718. Scales in bfloat16 cost nothing, since integers are
 * chosen for the rounded scale: 0.0822 against 0.0816 in f32; q8 0.00539 against 0.00534.
 */
export const SCALE_DIVISORS: Readonly<Record<PackedDType, readonly number[]>> = {
  q8: [127],
  q4: [-6.5, -7, -7.5, -8, -8.5, -9, -9.5, -10],
};

/** Below it a block is zeros: its scale would be no normal f32. */
export const LEAST_MAGNITUDE = 1e-30;

/** Rows of `columns` values as the GPU stores them. */
export function quantizeRows(values: ArrayLike<number>, columns: number, dtype: PackedDType): Uint32Array {
  const { blocks, blockWords, words } = packedRow(dtype, columns);
  const rows = columns > 0 ? values.length / columns : 0;
  const packed = new Uint32Array(rows * words);
  const block = new Float32Array(BLOCK_SIZE);
  const integers = new Uint8Array(BLOCK_SIZE);
  for (let row = 0; row < rows; row++) {
    for (let b = 0; b < blocks; b++) {
      const filled = Math.min(BLOCK_SIZE, columns - b * BLOCK_SIZE);
      const first = row * columns + b * BLOCK_SIZE;
      for (let i = 0; i < filled; i++) block[i] = values[first + i] ?? 0;
      const scale = quantizeBlock(block.subarray(0, filled), dtype, integers);
      const scaleWord = row * words + blocks * blockWords + (b >> 1);
      packed[scaleWord] = (packed[scaleWord] ?? 0) | (float32ToBfloat16(scale) << (16 * (b & 1)));
      integers.fill(PACKED_ZERO[dtype], filled);
      for (let i = 0; i < BLOCK_SIZE; i++) {
        const at = row * words + b * blockWords + wordOf(dtype, i);
        packed[at] = (packed[at] ?? 0) | ((integers[i] ?? 0) << shiftOf(dtype, i));
      }
    }
  }
  return packed;
}

/** The values that packed rows stand for. */
export function dequantizeRows(packed: Uint32Array, columns: number, dtype: PackedDType): Float64Array {
  const { blocks, blockWords, words } = packedRow(dtype, columns);
  const rows = packed.length / words;
  const mask = dtype === 'q8' ? 0xff : 0xf;
  const values = new Float64Array(rows * columns);
  for (let at = 0; at < values.length; at++) {
    const column = at % columns;
    const start = ((at - column) / columns) * words;
    const block = Math.floor(column / BLOCK_SIZE);
    const scaleWord = packed[start + blocks * blockWords + (block >> 1)] ?? 0;
    const i = column % BLOCK_SIZE;
    const word = packed[start + block * blockWords + wordOf(dtype, i)] ?? 0;
    const integer = (word >>> shiftOf(dtype, i)) & mask;
    values[at] =
      (integer - PACKED_ZERO[dtype]) * bfloat16ToFloat32((scaleWord >>> (16 * (block & 1))) & 0xffff);
  }
  return values;
}

/** The word of its block that element `i` lies in. */
const wordOf = (dtype: PackedDType, i: number): number => (dtype === 'q8' ? i >> 2 : i >> 3);

/** The bit of its word that element `i` starts at. */
const shiftOf = (dtype: PackedDType, i: number): number =>
  dtype === 'q8' ? 8 * (i & 3) : 8 * (i & 3) + (i & 4);

/** Fills `integers` for a block of values that lie in f32; returns its scale. */
function quantizeBlock(block: Float32Array, dtype: PackedDType, integers: Uint8Array): number {
  let largest = 0;
  for (const value of block) if (Math.abs(value) > Math.abs(largest)) largest = value;
  let best = 0;
  if (Math.abs(largest) >= LEAST_MAGNITUDE) {
    let leastError = Number.POSITIVE_INFINITY;
    for (const divisor of SCALE_DIVISORS[dtype]) {
      const exact = Math.fround(largest * Math.fround(1 / divisor));
      const scale = bfloat16ToFloat32(float32ToBfloat16(exact));
      const error = roundBlock(block, scale, dtype, integers);
      if (error < leastError) {
        leastError = error;
        best = scale;
      }
    }
  }
  roundBlock(block, best, dtype, integers);
  return best;
}

/** The nearest integers at a scale; returns the sum of squared errors in f32. */
function roundBlock(block: Float32Array, scale: number, dtype: PackedDType, integers: Uint8Array): number {
  const zero = PACKED_ZERO[dtype];
  const inverse = scale === 0 ? 0 : Math.fround(1 / scale);
  let error = 0;
  for (let i = 0; i < block.length; i++) {
    const value = block[i] ?? 0;
    const integer = Math.min(Math.max(roundHalfToEven(Math.fround(value * inverse)), -zero), zero - 1);
    const difference = Math.fround(value - integer * scale);
    error = Math.fround(error + Math.fround(difference * difference));
    integers[i] = integer + zero;
  }
  return error;
}
