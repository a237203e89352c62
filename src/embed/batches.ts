import { DTYPE_BYTES } from '../core/dtype.ts';
import type { TowerInfo } from '../models/dual-encoder.ts';

/** More rows than this keep no adapter busier, and cost memory. */
export const MAX_BATCH = 8;

/** Lengths that texts are padded to where padding changes nothing, below the longest. */
const TEXT_LENGTHS = [16, 32];

/**
 * The largest batch of a tower, a power of two: its widest intermediate, the MLP's, must fit into one binding.
 * `tokens` are those of one picture or text.
 */
export function largestBatch(
  { intermediateSize }: TowerInfo,
  tokens: number,
  maxBindingBytes: number,
): number {
  const bytesPerRow = tokens * intermediateSize * DTYPE_BYTES.f32;
  let batch = MAX_BATCH;
  while (batch > 1 && batch * bytesPerRow > maxBindingBytes) batch /= 2;
  return batch;
}

/** The batch that `count` rows run in: the next power of two, so that few graphs serve all counts. */
export const batchFor = (count: number): number => 2 ** Math.ceil(Math.log2(count));

/** The length that texts of up to `tokens` run in. */
export const textLengthFor = (tokens: number, longest: number): number =>
  [...TEXT_LENGTHS, longest].find((length) => length >= tokens && length <= longest) ?? longest;
