import { dequantizeRows, quantizeRows } from '../../src/core/block-quantize.ts';
import { DTYPE_BYTES, type DType, isPacked, storageByteLength } from '../../src/core/dtype.ts';
import { float16ToFloat32, float32ToFloat16 } from '../../src/core/float16.ts';
import { dim, elementCount } from '../../src/core/shape.ts';
import type { TensorType } from '../../src/ops/op.ts';

const WORDS = { f32: Float32Array, i32: Int32Array, u32: Uint32Array, q8: Uint32Array, q4: Uint32Array };

/** What an output holds before a kernel runs: NaN, or an integer no kernel produces. A value left over fails its test. */
const POISON: Readonly<Record<DType, number>> = {
  f32: 0x7fc00000,
  f16: 0x7e00,
  i32: 0xdeadbeef,
  u32: 0xdeadbeef,
  q8: 0x7fc07fc0,
  q4: 0x7fc07fc0,
};

/** What a tensor holds, and how it is handed to `packTensor`: the values themselves, or the words of a packed matrix. */
export interface StoredValues {
  readonly data: Float64Array;
  readonly stored: ArrayLike<number>;
}

/** The nearest values that the type can hold. */
export function roundValues({ dtype, shape }: TensorType, values: Float64Array): StoredValues {
  if (!isPacked(dtype)) {
    const data = values.map((value) => roundTo(dtype, value));
    return { data, stored: data };
  }
  const stored = quantizeRows(values, dim(shape, -1), dtype);
  return { data: dequantizeRows(stored, dim(shape, -1), dtype), stored };
}

/** The nearest value `dtype` can hold. */
export function roundTo(dtype: Exclude<DType, 'q8' | 'q4'>, value: number): number {
  if (dtype === 'f32') return Math.fround(value);
  if (dtype === 'f16') return float16ToFloat32(float32ToFloat16(value));
  return dtype === 'u32' ? value >>> 0 : value | 0;
}

/** Values as the GPU stores them, padded to whole words. */
export function packTensor({ dtype, shape }: TensorType, values: ArrayLike<number>): Uint8Array<ArrayBuffer> {
  const buffer = new ArrayBuffer(storageByteLength(dtype, shape));
  if (dtype === 'f16') {
    const halves = new Uint16Array(buffer);
    for (let i = 0; i < values.length; i++) halves[i] = float32ToFloat16(values[i] ?? 0);
  } else {
    new WORDS[dtype](buffer).set(values);
  }
  return new Uint8Array(buffer);
}

/** The bytes of a poisoned tensor. */
export function poisonTensor({ dtype, shape }: TensorType): Uint8Array<ArrayBuffer> {
  const buffer = new ArrayBuffer(storageByteLength(dtype, shape));
  if (DTYPE_BYTES[dtype] === 2) new Uint16Array(buffer).fill(POISON[dtype]);
  else new Uint32Array(buffer).fill(POISON[dtype]);
  return new Uint8Array(buffer);
}

/** The values of what the GPU stored. */
export function unpackTensor({ dtype, shape }: TensorType, bytes: ArrayBuffer): Float64Array {
  const count = elementCount(shape);
  if (dtype === 'f16') return Float64Array.from(new Uint16Array(bytes, 0, count), float16ToFloat32);
  if (isPacked(dtype)) return dequantizeRows(new Uint32Array(bytes), dim(shape, -1), dtype);
  return Float64Array.from(new WORDS[dtype](bytes, 0, count));
}
