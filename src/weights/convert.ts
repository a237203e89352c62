import { invariant, UnsupportedError, WeightError } from '../core/errors.ts';
import { bfloat16ToFloat32, float16ToFloat32, float32ToFloat16 } from '../core/float16.ts';
import type { SafetensorsDType } from './safetensors-dtype.ts';

/** What a tensor can be read as on the CPU, with the array that holds it. */
export interface TargetArrays {
  f32: Float32Array;
  i32: Int32Array;
  u32: Uint32Array;
  u8: Uint8Array;
}
export type ConvertTarget = keyof TargetArrays;

type Converters = { readonly [T in ConvertTarget]?: (bytes: Uint8Array) => TargetArrays[T] };

/**
 * Every conversion that exists: none of integers to narrower floats, none that is not listed. Element order is
 * little-endian, as is every machine that WebGPU runs on.
 */
const CONVERTERS: { readonly [D in SafetensorsDType]?: Converters } = {
  F64: { f32: float64ToFloat32 },
  F32: { f32: (bytes) => arrayOf(Float32Array, bytes) },
  F16: { f32: (bytes) => Float32Array.from(arrayOf(Uint16Array, bytes), float16ToFloat32) },
  BF16: { f32: (bytes) => Float32Array.from(arrayOf(Uint16Array, bytes), bfloat16ToFloat32) },
  I64: { i32: int64ToInt32 },
  I32: { i32: (bytes) => arrayOf(Int32Array, bytes) },
  I8: {
    i32: (bytes) => Int32Array.from(arrayOf(Int8Array, bytes)),
    f32: (bytes) => Float32Array.from(arrayOf(Int8Array, bytes)),
  },
  U8: {
    u8: (bytes) => bytes,
    i32: (bytes) => Int32Array.from(bytes),
    u32: (bytes) => Uint32Array.from(bytes),
    f32: (bytes) => Float32Array.from(bytes),
  },
  BOOL: {
    u8: (bytes) => checkBooleans(bytes),
    i32: (bytes) => Int32Array.from(checkBooleans(bytes)),
    u32: (bytes) => Uint32Array.from(checkBooleans(bytes)),
    f32: (bytes) => Float32Array.from(checkBooleans(bytes)),
  },
};

/** The dtypes that load; the other dtypes of the format are listed by an index and refused here. */
export const LOADABLE_DTYPES = Object.keys(CONVERTERS) as readonly SafetensorsDType[];

/** Throws UnsupportedError when tensors of `dtype` cannot be loaded at all. */
export function checkLoadable(dtype: SafetensorsDType, where: string): void {
  if (LOADABLE_DTYPES.includes(dtype)) return;
  throw new UnsupportedError(
    `${where}: dtype ${dtype} does not load; expected one of ${LOADABLE_DTYPES.join(', ')}. Use a checkpoint in one of these.`,
  );
}

/**
 * Whole elements of a tensor, from the bytes of `dtype` to `target`; the result may be a view of `bytes`.
 * Throws UnsupportedError for a pair with no conversion, WeightError for a value `target` cannot hold.
 */
export function convertChunk<T extends ConvertTarget>(
  bytes: Uint8Array,
  dtype: SafetensorsDType,
  target: T,
  where: string,
): TargetArrays[T] {
  checkLoadable(dtype, where);
  const convert = CONVERTERS[dtype]?.[target];
  if (convert === undefined) {
    throw new UnsupportedError(
      `${where}: ${dtype} does not convert to ${target}; expected ${Object.keys(CONVERTERS[dtype] ?? {}).join(' or ')}.`,
    );
  }
  try {
    return convert(bytes);
  } catch (cause) {
    if (cause instanceof ValueOutOfRange) throw new WeightError(`${where}: ${cause.message}`, { cause });
    throw cause;
  }
}

/** Floats as IEEE half bits, rounded to nearest even; beyond 65504 becomes infinity. */
export const float32ToFloat16Bits = (values: Float32Array): Uint16Array =>
  Uint16Array.from(values, float32ToFloat16);

class ValueOutOfRange extends Error {}

interface TypedArrayConstructor<A> {
  readonly BYTES_PER_ELEMENT: number;
  new (buffer: ArrayBufferLike, byteOffset: number, length: number): A;
}

/** A typed view; copies where the bytes are not aligned, which the format does not promise. */
function arrayOf<A>(arrayType: TypedArrayConstructor<A>, bytes: Uint8Array): A {
  const width = arrayType.BYTES_PER_ELEMENT;
  invariant(bytes.byteLength % width === 0, `${bytes.byteLength} bytes of ${width}-byte elements`);
  // Not bytes.slice(): on a Node Buffer that is a view.
  const aligned = bytes.byteOffset % width === 0 ? bytes : new Uint8Array(bytes);
  return new arrayType(aligned.buffer, aligned.byteOffset, aligned.byteLength / width);
}

function float64ToFloat32(bytes: Uint8Array): Float32Array {
  const values = arrayOf(Float64Array, bytes);
  const out = Float32Array.from(values);
  const wrong = out.findIndex((value, i) => Math.abs(value) === Infinity && Number.isFinite(values[i]));
  if (wrong >= 0)
    throw new ValueOutOfRange(`element ${wrong} is ${values[wrong]}; expected a float of 32 bits.`);
  return out;
}

function int64ToInt32(bytes: Uint8Array): Int32Array {
  const halves = arrayOf(Int32Array, bytes);
  const out = new Int32Array(halves.length / 2);
  for (let i = 0; i < out.length; i++) {
    const low = halves[2 * i] ?? 0;
    // In range exactly when the high half is the sign of the low one.
    if (halves[2 * i + 1] !== low >> 31) {
      const value = arrayOf(BigInt64Array, bytes)[i];
      throw new ValueOutOfRange(`element ${i} is ${value}; expected an integer of 32 bits.`);
    }
    out[i] = low;
  }
  return out;
}

function checkBooleans(bytes: Uint8Array): Uint8Array {
  const wrong = bytes.findIndex((byte) => byte > 1);
  if (wrong >= 0)
    throw new ValueOutOfRange(`element ${wrong} is ${bytes[wrong]}; expected a boolean, 0 or 1.`);
  return bytes;
}
