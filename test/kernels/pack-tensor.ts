import { DTYPE_BYTES, type DType, storageByteLength } from '../../src/core/dtype.ts';
import { float16ToFloat32, float32ToFloat16 } from '../../src/core/float16.ts';

/** What an output holds before a kernel runs: NaN, or an integer no kernel produces. A value left over fails its test. */
const POISON: Readonly<Record<DType, number>> = {
  f32: 0x7fc00000,
  f16: 0x7e00,
  i32: 0xdeadbeef,
  u32: 0xdeadbeef,
};

/** The nearest value `dtype` can hold. */
export function roundTo(dtype: DType, value: number): number {
  if (dtype === 'f32') return Math.fround(value);
  if (dtype === 'f16') return float16ToFloat32(float32ToFloat16(value));
  return dtype === 'u32' ? value >>> 0 : value | 0;
}

/** Values as the GPU stores them, padded to whole words. */
export function packTensor(dtype: DType, values: ArrayLike<number>): Uint8Array<ArrayBuffer> {
  const buffer = new ArrayBuffer(storageByteLength(dtype, values.length));
  if (dtype === 'f16') {
    const halves = new Uint16Array(buffer);
    for (let i = 0; i < values.length; i++) halves[i] = float32ToFloat16(values[i] ?? 0);
  } else {
    const words = { f32: Float32Array, i32: Int32Array, u32: Uint32Array }[dtype];
    new words(buffer).set(values);
  }
  return new Uint8Array(buffer);
}

/** The bytes of `elementCount` poisoned elements. */
export function poisonTensor(dtype: DType, elementCount: number): Uint8Array<ArrayBuffer> {
  const buffer = new ArrayBuffer(storageByteLength(dtype, elementCount));
  if (DTYPE_BYTES[dtype] === 2) new Uint16Array(buffer).fill(POISON[dtype]);
  else new Uint32Array(buffer).fill(POISON[dtype]);
  return new Uint8Array(buffer);
}

/** The first `elementCount` values of what the GPU stored. */
export function unpackTensor(dtype: DType, bytes: ArrayBuffer, elementCount: number): Float64Array {
  if (dtype === 'f16') {
    return Float64Array.from(new Uint16Array(bytes, 0, elementCount), float16ToFloat32);
  }
  const words = { f32: Float32Array, i32: Int32Array, u32: Uint32Array }[dtype];
  return Float64Array.from(new words(bytes, 0, elementCount));
}
