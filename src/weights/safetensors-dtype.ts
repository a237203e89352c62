/**
 * Every element type of the safetensors format and its width in bits.
 * Source: `Dtype` and `Dtype::bitsize` in huggingface/safetensors, safetensors/src/tensor.rs.
 */
export const SAFETENSORS_DTYPE_BITS = {
  BOOL: 8,
  F4: 4,
  F6_E2M3: 6,
  F6_E3M2: 6,
  U8: 8,
  I8: 8,
  F8_E5M2: 8,
  F8_E4M3: 8,
  F8_E8M0: 8,
  F8_E4M3FNUZ: 8,
  F8_E5M2FNUZ: 8,
  I16: 16,
  U16: 16,
  F16: 16,
  BF16: 16,
  I32: 32,
  U32: 32,
  F32: 32,
  C64: 64,
  F64: 64,
  I64: 64,
  U64: 64,
} as const;

export type SafetensorsDType = keyof typeof SAFETENSORS_DTYPE_BITS;

export const isSafetensorsDType = (name: unknown): name is SafetensorsDType =>
  typeof name === 'string' && Object.hasOwn(SAFETENSORS_DTYPE_BITS, name);

/**
 * Bytes that `shape` takes in `dtype`, or undefined where that is no exact whole number:
 * the product leaves the safe integers, or sub-byte elements do not fill the last byte.
 */
export function checkedByteLength(dtype: SafetensorsDType, shape: readonly number[]): number | undefined {
  let bits: number = SAFETENSORS_DTYPE_BITS[dtype];
  for (const size of shape) {
    bits *= size;
    if (!Number.isSafeInteger(bits)) return undefined;
  }
  return bits % 8 === 0 ? bits / 8 : undefined;
}
