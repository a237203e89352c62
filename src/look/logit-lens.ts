import { InputError, invariant } from '../core/errors.ts';
import type { CaptureRequest } from '../generate/capture.ts';
import type { CapturedTensor } from '../generate/captured.ts';
import { lastStateName } from '../generate/final-norm.ts';
import type { VisionLanguageModel } from '../generate/vision-language-model.ts';
import type { Tokenizer } from '../text/tokenizer.ts';
import { tokensOverPicture } from './attention.ts';
import { type HeatMap, pictureOf, tileMaps } from './heat-map.ts';
import { softmaxRow, topOf } from './softmax.ts';
import { tokenText } from './token-text.ts';

/** Where the lens looks, and how many tokens it names. */
export interface LensOptions {
  /** Places in the prompt and answer to look at; default those that each token of the answer was read from. */
  readonly positions?: readonly number[];
  /** Tokens named per layer and position; default 5. */
  readonly top?: number;
}

/** A token that a layer would write next. */
export interface LensToken {
  readonly id: number;
  /** As `tokenText`. */
  readonly text: string;
  /** 0 to 1, of the whole vocabulary. */
  readonly probability: number;
}

/** A place in the prompt and answer. */
export interface LensPosition {
  readonly position: number;
  /** The token there. */
  readonly id: number;
  readonly text: string;
  /** What comes after it; null at the end. */
  readonly nextId: number | null;
}

/** What each layer of a decoder would write at some places. */
export interface LogitLens {
  readonly positions: readonly LensPosition[];
  /** From the embeddings, layer 0, to what the last layer gives; for each position the likeliest tokens. */
  readonly layers: readonly LensLayer[];
}

export interface LensLayer {
  readonly layer: number;
  readonly top: readonly (readonly LensToken[])[];
}

/** Names of the hidden states that the lens reads: before the first layer, and after each. */
export const lensStates = (layers: number): string[] => [
  ...Array.from({ length: layers }, (_, i) => `hidden_states.${i}`),
  lastStateName(layers),
];

/**
 * The logit lens (nostalgebraist 2020, "interpreting GPT: the logit lens"): the hidden state after each layer, read out as
 * if it were the last. After the last layer it is the model's own prediction. Throws InputError as `capture` does.
 */
export async function logitLens(
  model: VisionLanguageModel,
  request: CaptureRequest,
  { positions: given, top = 5 }: LensOptions = {},
): Promise<LogitLens> {
  const { tokenIds } = await model.readPrompt(request);
  const end = tokenIds.length - 1;
  const answered = Math.max(request.answer?.length ?? 0, 1);
  const positions =
    given ?? Array.from({ length: answered }, (_, i) => end - answered + (request.answer ? i : 1));
  const outside = positions.find((position) => !Number.isInteger(position) || position < 0 || position > end);
  if (positions.length === 0 || outside !== undefined)
    throw new InputError(`lens: position ${outside ?? 'none'} was asked for; expected 0 to ${end}.`);
  const states = lensStates(model.model.text.numHiddenLayers);
  const captured = await model.capture(states, request);
  const layers: LensLayer[] = [];
  for (const [layer, name] of states.entries()) {
    const rows = await probabilitiesAt(model, captured.get(name), positions);
    layers.push({
      layer,
      top: rows.map((row) =>
        topOf(row, top).map(({ index, value }) => ({
          id: index,
          text: tokenText(model.tokenizer, index),
          probability: value,
        })),
      ),
    });
  }
  return {
    positions: positions.map((position) => {
      const id = tokenIds[position] ?? 0;
      return { position, id, text: tokenText(model.tokenizer, id), nextId: tokenIds[position + 1] ?? null };
    }),
    layers,
  };
}

/** Next-token probabilities that hidden states [1, S, C] hold at some places: [V] each. */
async function probabilitiesAt(
  model: VisionLanguageModel,
  states: CapturedTensor | undefined,
  positions: readonly number[],
): Promise<Float32Array[]> {
  invariant(states, 'the hidden states were captured');
  const C = model.model.text.hiddenSize;
  const rows = new Float32Array(positions.length * C);
  positions.forEach((position, i) => {
    rows.set(states.values.subarray(position * C, (position + 1) * C), i * C);
  });
  const logits = await model.readOut(rows);
  const V = logits.length / positions.length;
  return positions.map((_, i) => softmaxRow(logits.subarray(i * V, (i + 1) * V)));
}

/** Where a word is in a picture, by what the decoder makes of its image tokens. */
export interface WordMap {
  /** Probability of the word's token at each image token, a map per tile. */
  readonly maps: readonly HeatMap[];
  readonly id: number;
  /** Of the first token of the word, which stands for all of it. */
  readonly text: string;
}

/** Which layer and picture a map of words is of. */
export interface WordMapOptions {
  /** 0 is before the first layer; default after the last. */
  readonly layer?: number | undefined;
  /** Which picture of the prompt; default the first. */
  readonly picture?: number | undefined;
}

/**
 * The logit lens at the image tokens: where a layer would write each of `words` (Neo et al. 2024, arXiv 2410.07149,
 * section 4). A word of several tokens is stood for by its first. Throws InputError for a word without a token.
 */
export async function wordMaps(
  model: VisionLanguageModel,
  request: CaptureRequest,
  words: readonly string[],
  { layer = model.model.text.numHiddenLayers, picture = 0 }: WordMapOptions = {},
): Promise<WordMap[]> {
  const states = lensStates(model.model.text.numHiddenLayers);
  const name = states[layer];
  if (name === undefined)
    throw new InputError(`look: layer is ${layer}; expected 0 to ${states.length - 1}.`);
  const tokens = words.map((word) => wordToken(model.tokenizer, word));
  const { imageIndex, media } = await model.readPrompt(request);
  const medium = pictureOf(media, picture);
  const captured = await model.capture([name], request);
  const rows = await probabilitiesAt(
    model,
    captured.get(name),
    tokensOverPicture({ imageIndex, media }, picture),
  );
  return tokens.map((id) => ({
    id,
    text: tokenText(model.tokenizer, id),
    maps: tileMaps(
      medium,
      Float32Array.from(rows, (row) => row[id] ?? Number.NaN),
    ),
  }));
}

/** The first token of a word as it stands within a sentence, where many tokenizers spell it with a space before it. */
function wordToken({ encode }: Pick<Tokenizer, 'encode'>, word: string): number {
  const ids = (text: string): number[] => encode(text, { addSpecialTokens: false });
  const before = ids('a');
  const [id] = word.trim() === '' ? [] : ids(`a ${word.trim()}`).slice(before.length);
  if (id !== undefined) return id;
  throw new InputError(`look: the text "${word}" has no token; expected a word.`);
}
