import { dim, elementCount, type Shape } from './shape.ts';

/** Element types a graph tensor can have on the GPU. WGSL names all but the packed ones alike. */
export const DTYPES = ['f32', 'f16', 'i32', 'u32', 'q8', 'q4'] as const;
/** An element type: `f32`, `f16`, `i32`, `u32`, and for weights `q8` and `q4`. */
export type DType = (typeof DTYPES)[number];
/** What activations and inputs of arithmetic are stored as; sums are f32 in either case. */
export type FloatDType = 'f32' | 'f16';
/** Integers of 8 or 4 bits in blocks along the last axis, each with a scale: for weights alone. See `packedRow`. */
export type PackedDType = 'q8' | 'q4';
/** What a weight matrix can be stored as. */
export type WeightDType = FloatDType | PackedDType;

/** Bytes of one element on the GPU; of the packed ones on average, scales included: to count by, not to address by. */
export const DTYPE_BYTES: Readonly<Record<DType, number>> = {
  f32: 4,
  f16: 2,
  i32: 4,
  u32: 4,
  q8: 34 / 32,
  q4: 18 / 32,
};

export const isFloat = (dtype: DType): dtype is FloatDType => dtype === 'f32' || dtype === 'f16';
export const isPacked = (dtype: DType): dtype is PackedDType => dtype === 'q8' || dtype === 'q4';

/** The stored integer that means 0. */
export const PACKED_ZERO: Readonly<Record<PackedDType, number>> = { q8: 128, q4: 8 };

/** Elements that share a scale. */
export const BLOCK_SIZE = 32;

/** Where the parts of one row of a packed matrix lie, in words of 32 bits. */
export interface PackedRow {
  readonly blocks: number;
  readonly blockWords: number;
  /** From one row to the next. */
  readonly words: number;
}

/**
 * A row of a packed matrix, by itself, so that rows may be cut apart:
 *
 *     block 0 │ block 1 │ ... │ scales: bfloat16, two a word, the first in the low half │ zeros to 4 words
 *
 * A block is 32 elements; the last one of a row is filled up with zeros. Element i of block b is its integer less
 * `PACKED_ZERO`, times scale b. q8: byte i. q4: word i / 8; of its bytes the low halves hold elements 0 to 3, the
 * high halves 4 to 7, so that one mask gives four neighbours. Integers are stored without a sign because masks and
 * conversions are all it then takes to read them. Rows are multiples of 16 bytes, to be read as vec4<u32>.
 */
export function packedRow(dtype: PackedDType, columns: number): PackedRow {
  const blocks = Math.ceil(columns / BLOCK_SIZE);
  const blockWords = dtype === 'q8' ? 8 : 4;
  return { blocks, blockWords, words: blocks * blockWords + 4 * Math.ceil(blocks / 8) };
}

/** Storage bytes of a tensor, rounded up to the 4 bytes WebGPU copies and binds in. */
export function storageByteLength(dtype: DType, shape: Shape): number {
  const elements = elementCount(shape);
  if (!isPacked(dtype)) return Math.max(4, Math.ceil((elements * DTYPE_BYTES[dtype]) / 4) * 4);
  const columns = dim(shape, -1);
  return 4 * (elements / columns) * packedRow(dtype, columns).words;
}
