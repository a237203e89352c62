import { bytesSource } from '../../src/weights/byte-source.ts';
import { readSafetensorsIndex, type TensorIndex } from '../../src/weights/safetensors.ts';
import { encodeSafetensors, type TensorData } from '../../src/weights/write-safetensors.ts';

/** Tensors as the index of a safetensors file in memory. */
export const makeIndex = (tensors: readonly TensorData[]): Promise<TensorIndex> =>
  readSafetensorsIndex(bytesSource('test.safetensors', encodeSafetensors(tensors)));

export const bytesOf = ({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array =>
  new Uint8Array(buffer, byteOffset, byteLength);

/** An index of f32 tensors. */
export const f32Index = (
  weights: ReadonlyMap<string, { readonly shape: readonly number[]; readonly data: Float32Array }>,
): Promise<TensorIndex> =>
  makeIndex(
    [...weights].map(([name, { shape, data }]) => ({ name, dtype: 'F32', shape, bytes: bytesOf(data) })),
  );
