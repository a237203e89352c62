import { invariant } from '../core/errors.ts';
import { readTensor } from '../weights/read-tensor.ts';
import type { TensorEntry, TensorIndex } from '../weights/safetensors.ts';
import type { TensorData } from '../weights/write-safetensors.ts';
import { type Adapter, parameterState } from './trainable-parameters.ts';
import type { Trainer } from './trainer.ts';

export type States = ReadonlyMap<string, Float32Array>;

/**
 * All tensors of `index` as they are after training: trained ones in f32, adapted ones with their adapters added, frozen
 * ones byte for byte.
 */
export async function trainedTensors(
  { trainables, adapters }: Pick<Trainer, 'trainables' | 'adapters'>,
  states: States,
  index: TensorIndex,
): Promise<TensorData[]> {
  const valuesOf = (name: string): Float32Array => {
    const values = states.get(parameterState(name));
    invariant(values, `the state of "${name}" was not read`);
    return values;
  };
  const tensors: TensorData[] = [];
  for (const entry of index.values()) {
    const { name, shape } = entry;
    const adapter = adapters.get(name);
    if (trainables.has(name)) tensors.push({ name, shape, dtype: 'F32', bytes: bytesOf(valuesOf(name)) });
    else if (adapter) tensors.push(await merged(entry, adapter, valuesOf));
    else {
      const bytes = await entry.source.read(entry.offsetBytes, entry.byteLength);
      tensors.push({ name, shape, dtype: entry.dtype, bytes });
    }
  }
  return tensors;
}

/** weight + factor * B A, in f64 before it is rounded. */
async function merged(
  entry: TensorEntry,
  { a, b, rank, factor }: Adapter,
  valuesOf: (name: string) => Float32Array,
): Promise<TensorData> {
  const weight = await readTensor(entry, 'f32');
  const [left, right] = [valuesOf(b), valuesOf(a)];
  const columns = entry.shape[1] ?? 1;
  const values = Float32Array.from(weight, (value, i) => {
    const [row, column] = [Math.floor(i / columns), i % columns];
    let sum = 0;
    for (let r = 0; r < rank; r++) sum += (left[row * rank + r] ?? 0) * (right[r * columns + column] ?? 0);
    return value + factor * sum;
  });
  return { name: entry.name, shape: entry.shape, dtype: 'F32', bytes: bytesOf(values) };
}

export const bytesOf = (values: Float32Array): Uint8Array =>
  new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
