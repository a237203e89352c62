/** Element types a graph tensor can have on the GPU. WGSL names them alike. */
export const DTYPES = ['f32', 'f16', 'i32', 'u32'] as const;
export type DType = (typeof DTYPES)[number];
export type FloatDType = 'f32' | 'f16';

/** Bytes of one element on the GPU. */
export const DTYPE_BYTES: Readonly<Record<DType, number>> = { f32: 4, f16: 2, i32: 4, u32: 4 };

export const isFloat = (dtype: DType): dtype is FloatDType => dtype === 'f32' || dtype === 'f16';

/** Storage bytes of `elementCount` elements, rounded up to the 4 bytes WebGPU copies and binds in. */
export const storageByteLength = (dtype: DType, elementCount: number): number =>
  Math.max(4, Math.ceil((elementCount * DTYPE_BYTES[dtype]) / 4) * 4);
