import { type DType, isPacked, storageByteLength } from '../core/dtype.ts';
import { InputError } from '../core/errors.ts';
import { float16ToFloat32, float32ToFloat16 } from '../core/float16.ts';
import { elementCount, formatShape } from '../core/shape.ts';
import type { TensorType } from '../ops/op.ts';

/** Values of a tensor on the CPU: f32 and f16 as Float32Array, i32 as Int32Array, u32 and the words of q8 and q4 as Uint32Array. */
export type HostArray = Float32Array | Int32Array | Uint32Array;

const HOST_ARRAYS = {
  f32: Float32Array,
  f16: Float32Array,
  i32: Int32Array,
  u32: Uint32Array,
  q8: Uint32Array,
  q4: Uint32Array,
} as const;

const hostLength = ({ dtype, shape }: TensorType): number =>
  isPacked(dtype) ? storageByteLength(dtype, shape) / 4 : elementCount(shape);

/** Throws InputError unless `values` has the array type and the length that `type` asks for. */
export function checkHostArray(values: HostArray, type: TensorType, where: string): void {
  const { dtype, shape } = type;
  const expected = HOST_ARRAYS[dtype];
  if (!(values instanceof expected)) {
    const got = Object.prototype.toString.call(values).slice(8, -1);
    throw new InputError(`${where}: got a ${got} for dtype ${dtype}; expected a ${expected.name}.`);
  }
  const count = hostLength(type);
  if (values.length !== count) {
    throw new InputError(
      `${where}: got ${values.length} values; expected ${count} for shape ${formatShape(shape)}.`,
    );
  }
}

/** The bytes `values` takes on the GPU as `dtype`; f16 is rounded to nearest even. Padded to whole words. */
export function toGpuBytes(values: HostArray, dtype: DType): ArrayBufferView<ArrayBuffer> {
  if (dtype !== 'f16') return values as ArrayBufferView<ArrayBuffer>;
  const halves = new Uint16Array(Math.ceil(values.length / 2) * 2);
  values.forEach((value, i) => {
    halves[i] = float32ToFloat16(value);
  });
  return halves;
}

/** Values from the bytes a tensor has on the GPU; f16 is widened. `bytes` is not kept. */
export function fromGpuBytes(bytes: ArrayBuffer, type: TensorType): HostArray {
  const { dtype } = type;
  const count = hostLength(type);
  if (dtype === 'f16') return Float32Array.from(new Uint16Array(bytes, 0, count), float16ToFloat32);
  return new HOST_ARRAYS[dtype](bytes, 0, count);
}
