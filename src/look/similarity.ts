import { InputError } from '../core/errors.ts';
import type { PatchEmbeddings } from '../embed/patch-embeddings.ts';
import type { HeatMap } from './heat-map.ts';

/**
 * Cosine of each patch's embedding, from `embedPatches`, with a text's, -1 to 1. What is a patch's embedding, and why it
 * is not the last hidden state, see `PatchEmbeddings`. Throws InputError for a text of another model.
 */
export function similarityMap(
  { rows, columns, area, embeddings }: PatchEmbeddings,
  text: Float32Array,
): HeatMap {
  const width = embeddings.length / (rows * columns);
  if (text.length !== width) {
    throw new InputError(
      `similarity: patches have embeddings of ${width} values and the text one of ${text.length}; expected two of one model.`,
    );
  }
  const values = Float32Array.from({ length: rows * columns }, (_, patch) =>
    text.reduce((sum, value, i) => sum + value * (embeddings[patch * width + i] ?? Number.NaN), 0),
  );
  return { rows, columns, area, values };
}
