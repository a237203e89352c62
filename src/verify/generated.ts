import type { CheckpointAssets } from '../generate/checkpoint-assets.ts';
import type { Decoder } from '../generate/decoder.ts';
import { GREEDY } from '../generate/generation-config.ts';
import type { ImageEncoder, ImageFeatures } from '../generate/image-encoder.ts';
import type { ModelRuntime } from '../generate/sessions.ts';
import { imageFeatureRows } from '../text/image-tokens.ts';
import { compareIds, compareValues } from './compare.ts';
import { promptIds } from './inputs.ts';
import type { Reference, ReferenceRun } from './reference.ts';
import type { StageResult } from './stage-result.ts';
import { captureDecoder } from './stages.ts';

export interface GeneratingParts {
  readonly assets: CheckpointAssets;
  readonly runtime: ModelRuntime;
  readonly decoder: Decoder;
  readonly imageEncoder: ImageEncoder | undefined;
}

/** The reference's greedy answer, written again here: logits of each step, ids, text. */
export async function* verifyGenerated(
  parts: GeneratingParts,
  reference: Reference,
  run: ReferenceRun,
  tolerance: number,
): AsyncGenerator<StageResult> {
  const prompts = await promptIds(reference, run);
  if (reference.has(run, 'generated.logits'))
    yield await compareStepLogits(parts.runtime, reference, run, prompts[0] ?? [], tolerance);
  for (const [row, prompt] of prompts.entries()) {
    const expected = run.generatedIds[row] ?? [];
    const actual = await generateGreedy(parts, reference, run, prompt, expected.length);
    const stage = prompts.length > 1 ? `generated.ids[${row}]` : 'generated.ids';
    yield compareIds({ run: run.name, stage, shape: [1, expected.length] }, actual, expected);
  }
  if (run.generatedText === null) return;
  const text = parts.assets.tokenizer.decode(run.generatedIds[0] ?? [], { skipSpecialTokens: true });
  yield compareIds(
    { run: run.name, stage: 'generated.text', shape: [run.generatedText.length] },
    codesOf(text),
    codesOf(run.generatedText),
  );
}

const codesOf = (text: string): number[] => [...text].map((character) => character.codePointAt(0) ?? 0);

/** Logits each token was picked from, the reference's own answer being fed back. */
async function compareStepLogits(
  runtime: ModelRuntime,
  reference: Reference,
  run: ReferenceRun,
  prompt: readonly number[],
  tolerance: number,
): Promise<StageResult> {
  const answer = run.generatedIds[0] ?? [];
  const ids = [...prompt, ...answer.slice(0, -1)];
  const captured = await captureDecoder(runtime, reference, run, ids, ['logits']);
  const logits = Array.from(captured.get('logits') ?? []).slice(
    (prompt.length - 1) * runtime.model.text.vocabSize,
  );
  const stage = 'generated.logits';
  return compareValues(
    { run: run.name, stage, shape: reference.shape(run, stage) },
    logits,
    await reference.floats(run, stage),
    tolerance,
  );
}

/** Greedy ids from the reference's ids and pixels, until an end token or `maxNewTokens`. */
async function generateGreedy(
  { assets, runtime, decoder, imageEncoder }: GeneratingParts,
  reference: Reference,
  run: ReferenceRun,
  prompt: readonly number[],
  maxNewTokens: number,
): Promise<number[]> {
  const eosTokenIds = run.eosTokenIds ?? assets.generation.eosTokenIds;
  const features = await encodePictures(imageEncoder, reference, run);
  try {
    const { vision } = runtime.model;
    const images =
      features && vision
        ? { features, index: imageFeatureRows(prompt, vision.imageTokenId, features.rows) }
        : undefined;
    decoder.start(prompt.length + maxNewTokens);
    const ids = [await decoder.next({ tokenIds: prompt, images, sampling: GREEDY, seed: 0 })];
    while (ids.length < maxNewTokens && !eosTokenIds.includes(ids.at(-1) ?? -1)) {
      ids.push(await decoder.next({ tokenIds: ids.slice(-1), sampling: GREEDY, seed: 0 }));
    }
    return ids;
  } finally {
    features?.dispose();
  }
}

async function encodePictures(
  imageEncoder: ImageEncoder | undefined,
  reference: Reference,
  run: ReferenceRun,
): Promise<ImageFeatures | undefined> {
  if (!imageEncoder || !reference.has(run, 'inputs.pixel_values')) return undefined;
  const pixels = await reference.floats(run, 'inputs.pixel_values');
  const [pictures = 1] = reference.shape(run, 'inputs.pixel_values');
  const size = pixels.length / pictures;
  return imageEncoder.encode(
    Array.from({ length: pictures }, (_, i) => pixels.slice(i * size, (i + 1) * size)),
  );
}
