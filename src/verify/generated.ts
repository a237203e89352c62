import { isPacked } from '../core/dtype.ts';
import type { CheckpointAssets } from '../generate/checkpoint-assets.ts';
import type { Decoder } from '../generate/decoder.ts';
import type { DecoderTokens } from '../generate/decoder-inputs.ts';
import { GREEDY } from '../generate/generation-config.ts';
import type { ImageEncoder } from '../generate/image-encoder.ts';
import type { Prompt } from '../generate/prompt.ts';
import type { ModelRuntime } from '../generate/sessions.ts';
import type { Precision } from '../models/parameters.ts';
import type { ProcessedMedium } from '../processors/processor.ts';
import { compareIds, compareValues } from './compare.ts';
import { referenceTiles } from './inputs.ts';
import type { Reference, ReferenceRun } from './reference.ts';
import type { StageResult } from './stage-result.ts';
import { captureDecoder } from './stages.ts';

export interface GeneratingParts {
  readonly assets: CheckpointAssets;
  readonly runtime: ModelRuntime;
  readonly decoder: Decoder;
  readonly imageEncoder: ImageEncoder | undefined;
}

/** The reference's greedy answers, written again here: logits of each step, ids, text. One prompt per answer. */
export async function* verifyGenerated(
  parts: GeneratingParts,
  reference: Reference,
  run: ReferenceRun,
  prompts: readonly Prompt[],
  tolerance: number,
): AsyncGenerator<StageResult> {
  const [first] = prompts;
  if (first && reference.has(run, 'generated.logits'))
    yield await compareStepLogits(parts.runtime, reference, run, first, tolerance);
  for (const [row, prompt] of prompts.entries()) {
    const expected = run.generatedIds[row] ?? [];
    const actual = await generateGreedy(parts, reference, run, prompt, expected.length);
    const stage = prompts.length > 1 ? `generated.ids[${row}]` : 'generated.ids';
    const result = compareIds({ run: run.name, stage, shape: [1, expected.length] }, actual, expected);
    yield asRequired(result, parts.runtime.precision);
  }
  if (run.generatedText === null) return;
  const text = parts.assets.tokenizer.decode(run.generatedIds[0] ?? [], { skipSpecialTokens: true });
  yield compareIds(
    { run: run.name, stage: 'generated.text', shape: [run.generatedText.length] },
    codesOf(text),
    codesOf(run.generatedText),
  );
}

/** Rounded to 8 or 4 bits a model may answer otherwise: how far it agrees is told, and no fault. */
const asRequired = (result: StageResult, { weights }: Precision): StageResult =>
  result.ok || !isPacked(weights) ? result : { ...result, ok: true, note: `may differ in ${weights}` };

const codesOf = (text: string): number[] => [...text].map((character) => character.codePointAt(0) ?? 0);

/** Logits each token was picked from, the reference's own answer being fed back. */
async function compareStepLogits(
  runtime: ModelRuntime,
  reference: Reference,
  run: ReferenceRun,
  prompt: Prompt,
  tolerance: number,
): Promise<StageResult> {
  const fed = withAnswer(prompt, (run.generatedIds[0] ?? []).slice(0, -1));
  const captured = await captureDecoder(runtime, reference, run, fed, ['logits']);
  const begin = (prompt.tokenIds.length - 1) * runtime.model.text.vocabSize;
  const stage = 'generated.logits';
  return compareValues(
    { run: run.name, stage, shape: reference.shape(run, stage) },
    captured.get('logits')?.subarray(begin) ?? [],
    await reference.floats(run, stage),
    tolerance,
  );
}

/** A prompt with the first tokens of its answer behind it. */
export function withAnswer(prompt: Prompt, answer: readonly number[]): Prompt {
  const { tokenIds, imageIndex, positions, nextPosition, spans } = prompt;
  const length = tokenIds.length + answer.length;
  const index = new Int32Array(length).fill(-1);
  index.set(imageIndex);
  const grown = new Uint32Array(2 * length);
  if (spans) grown.set(spans);
  return {
    ...prompt,
    tokenIds: [...tokenIds, ...answer],
    imageIndex: index,
    positions: positions.map((axis) => Int32Array.of(...axis, ...answer.map((_, i) => nextPosition + i))),
    spans: spans && grown,
  };
}

/** Greedy ids from the reference's ids and pixels, until an end token or `maxNewTokens`. */
async function generateGreedy(
  { assets, decoder, imageEncoder }: GeneratingParts,
  reference: Reference,
  run: ReferenceRun,
  prompt: Prompt,
  maxNewTokens: number,
): Promise<number[]> {
  const eosTokenIds = run.eosTokenIds ?? assets.generation.eosTokenIds;
  const media = await withReferencePixels(reference, run, prompt.media);
  const features = media.length > 0 ? await imageEncoder?.encode(media) : undefined;
  try {
    const images = features && { features, index: prompt.imageIndex };
    decoder.start(prompt.tokenIds.length + maxNewTokens);
    const next = async (tokens: DecoderTokens): Promise<number> =>
      (await decoder.submit({ ...tokens, sampling: GREEDY, seed: 0 })).token;
    const ids = [await next({ ...prompt, images })];
    while (ids.length < maxNewTokens && !eosTokenIds.includes(ids.at(-1) ?? -1)) {
      ids.push(await next({ tokenIds: ids.slice(-1) }));
    }
    return ids;
  } finally {
    features?.dispose();
  }
}

/** The media with the reference's pixels in place of those made here. */
async function withReferencePixels(
  reference: Reference,
  run: ReferenceRun,
  media: readonly ProcessedMedium[],
): Promise<readonly ProcessedMedium[]> {
  const replaced = new Map<ProcessedMedium, ProcessedMedium>();
  for (const kind of ['image', 'video'] as const) {
    const ofKind = media.filter((medium) => medium.kind === kind);
    if (ofKind.length === 0) continue;
    const tiles = await referenceTiles(reference, run, ofKind);
    ofKind.forEach((medium, i) => {
      replaced.set(medium, { ...medium, key: null, tiles: () => [...(tiles[i] ?? [])] });
    });
  }
  return media.map((medium) => replaced.get(medium) ?? medium);
}
