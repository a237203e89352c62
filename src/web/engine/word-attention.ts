import { UnsupportedError } from '../../core/errors.ts';
import type { CaptureRequest } from '../../generate/capture.ts';
import type { VisionLanguageModel } from '../../generate/vision-language-model.ts';
import { attentionLayers, attentionRow, attentionToPicture } from '../../look/attention.ts';
import type { WordAttention } from '../protocol.ts';
import { wordsOf } from './words.ts';

/** Attention probabilities read at once. */
const MOST_BYTES = 64 * 2 ** 20;

/**
 * Where the decoder looked as it wrote each word of `request.answer`: the mean of all its layers and heads, and of the
 * word's tokens. Throws UnsupportedError where a map cannot be laid over the picture.
 */
export async function wordAttention(
  model: VisionLanguageModel,
  request: CaptureRequest,
): Promise<readonly WordAttention[]> {
  const prompt = await model.readPrompt(request);
  if (prompt.media[0]?.kind !== 'image')
    throw new UnsupportedError('look: only of a picture there is a map; expected a question about one.');
  const layers = attentionLayers(model.names(), 'decoder').map(({ name }) => name);
  const answer = request.answer ?? [];
  // The token before each is the one that it was written from.
  const first = prompt.tokenIds.length - answer.length - 1;
  const T = prompt.tokenIds.length;
  const rowBytes = 4 * layers.length * model.model.text.numAttentionHeads * T;
  const step = Math.max(1, Math.floor(MOST_BYTES / rowBytes));
  const rows: Float32Array[] = [];
  for (let begin = first; begin < T - 1; begin += step) {
    const end = Math.min(begin + step, T - 1);
    const captured = await model.capture(layers, { ...request, queries: [begin, end] });
    for (let query = 0; query < end - begin; query++) {
      rows.push(meanOf([...captured.values()].map((layer) => attentionRow(layer, { query }))));
    }
  }
  return wordsOf(model.tokenizer, answer).map(({ text, tokens }) => {
    const { maps, share } = attentionToPicture(
      meanOf(tokens.map((i) => rows[i] ?? new Float32Array(T))),
      prompt,
    );
    return { word: text.trim(), share, maps };
  });
}

function meanOf(rows: readonly Float32Array[]): Float32Array {
  const [first = new Float32Array()] = rows;
  return first.map((_, i) => rows.reduce((sum, row) => sum + (row[i] ?? Number.NaN), 0) / rows.length);
}
