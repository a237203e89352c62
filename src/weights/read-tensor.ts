import { type ConvertTarget, checkLoadable, convertChunk, type TargetArrays } from './convert.ts';
import type { TensorEntry } from './safetensors.ts';

/**
 * A whole tensor as a typed array in host memory: for references, tests and small tensors; models upload by
 * `readChunks`. The array may be a view of the source, so do not write to it.
 * Throws UnsupportedError for a pair with no conversion, WeightError for bad data.
 */
export async function readTensor<T extends ConvertTarget>(
  entry: TensorEntry,
  target: T,
  signal?: AbortSignal,
): Promise<TargetArrays[T]> {
  const where = `${entry.source.name}: tensor "${entry.name}"`;
  checkLoadable(entry.dtype, where);
  const bytes = await entry.source.read(entry.offsetBytes, entry.byteLength, signal);
  return convertChunk(bytes, entry.dtype, target, where);
}
