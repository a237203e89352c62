import { InputError } from '../core/errors.ts';
import { pcg4d } from '../core/pcg4d.ts';
import { elementCount, type Shape } from '../core/shape.ts';
import { type ByteSource, checkNotAborted, checkRange } from './byte-source.ts';
import type { TensorEntry, TensorIndex } from './safetensors.ts';

/** What the values of a new tensor are. */
export type TensorInit =
  | { readonly kind: 'normal'; readonly std: number }
  | { readonly kind: 'constant'; readonly value: number };

export type InitRule = (name: string, shape: Shape) => TensorInit;

/**
 * Matrices and kernels normal with a variance of 1 / fan-in (LeCun et al. 1998, "Efficient BackProp", section 4.6), so
 * that activations keep their size; biases 0, the weights of norms 1, other vectors as a row of a matrix.
 */
export const fanInInit: InitRule = (name, shape) => {
  if (shape.length === 1 && name.endsWith('bias')) return { kind: 'constant', value: 0 };
  if (shape.length === 1 && name.endsWith('weight')) return { kind: 'constant', value: 1 };
  return { kind: 'normal', std: 1 / Math.sqrt(elementCount(shape.slice(shape.length > 1 ? 1 : 0))) };
};

const BYTES = Float32Array.BYTES_PER_ELEMENT;

/**
 * New f32 tensors by name, made as they are read and held nowhere. A tensor's values depend on `seed` and its name alone.
 * Throws InputError for a seed that is no unsigned 32-bit integer.
 */
export function randomTensors(
  shapes: ReadonlyMap<string, Shape>,
  seed: number,
  init: InitRule = fanInInit,
): TensorIndex {
  if (seed >>> 0 !== seed)
    throw new InputError(`randomTensors: seed is ${seed}; expected an integer from 0 to 4294967295.`);
  return new Map(
    [...shapes].map(([name, shape]) => [name, randomTensor(name, shape, seed, init(name, shape))]),
  );
}

function randomTensor(name: string, shape: Shape, seed: number, init: TensorInit): TensorEntry {
  const byteLength = elementCount(shape) * BYTES;
  const stream = hashName(name);
  const valueAt = (i: number): number =>
    init.kind === 'constant' ? init.value : init.std * normal(seed, stream, i);
  const source: ByteSource = {
    name: `random (seed ${seed})`,
    byteLength,
    async read(offset, length, signal) {
      checkNotAborted(signal, source.name);
      checkRange(source, offset, length);
      const first = Math.floor(offset / BYTES);
      const values = Float32Array.from({ length: Math.ceil((offset + length) / BYTES) - first }, (_, i) =>
        valueAt(first + i),
      );
      return new Uint8Array(values.buffer, offset - first * BYTES, length);
    },
    async close() {},
  };
  return { name, dtype: 'F32', shape, source, offsetBytes: 0, byteLength };
}

/** The i-th standard normal value of a stream, by itself (Box & Muller 1958), so that ranges can be read in any order. */
function normal(seed: number, stream: number, i: number): number {
  const uniform = (half: number): number => (pcg4d(seed, stream, i, half) + 0.5) / 2 ** 32;
  return Math.sqrt(-2 * Math.log(uniform(0))) * Math.cos(2 * Math.PI * uniform(1));
}

/** FNV-1a of the name's UTF-16 units. */
function hashName(name: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}
