import { decoderInputs } from '../generate/decoder-inputs.ts';
import { buildDecoderGraph } from '../generate/graphs.ts';
import type { Prompt } from '../generate/prompt.ts';
import type { ModelRuntime } from '../generate/sessions.ts';
import { nameAttentionProbabilities } from './attention.ts';
import { captureStages } from './capture.ts';
import { compareValues } from './compare.ts';
import type { Reference, ReferenceRun } from './reference.ts';
import type { StageResult } from './stage-result.ts';
import { captureVision, featuresOf } from './vision-stages.ts';

/** Stages of towers and projectors; all others are the decoder's. */
const VISION_STAGE = /^(vision|projector|pooler|connector)\./;
/** What is compared elsewhere. */
const OTHER_STAGE = /^(inputs|generated|mrope)\.|^loss$|_4x/;

/**
 * Every intermediate the reference recorded for a run, against the one of that name here. Each part runs on the
 * reference's own inputs: the tower on its pixels, the decoder on its ids and its projector's output.
 */
export async function* verifyStages(
  runtime: ModelRuntime,
  reference: Reference,
  run: ReferenceRun,
  prompt: Prompt,
  tolerance: number,
): AsyncGenerator<StageResult> {
  const stages = reference.stages(run).filter((stage) => !OTHER_STAGE.test(stage));
  const compare = async (stage: string, actual: ArrayLike<number>): Promise<StageResult> =>
    compareValues(
      { run: run.name, stage, shape: reference.shape(run, stage) },
      actual,
      await reference.floats(run, stage),
      tolerance,
    );

  const visionStages = stages.filter((stage) => VISION_STAGE.test(stage));
  if (visionStages.length > 0) {
    const captured = await captureVision(runtime, reference, run, prompt.media, visionStages);
    for (const [stage, values] of captured) yield await compare(stage, values);
  }
  const decoderStages = stages.filter((stage) => !VISION_STAGE.test(stage));
  if (!decoderStages.includes('logits')) return;
  const captured = await captureDecoder(runtime, reference, run, prompt, decoderStages);
  for (const [stage, values] of captured) yield await compare(stage, values);
  if (reference.has(run, 'loss')) {
    const loss = nextTokenLoss(captured.get('logits') ?? [], prompt.tokenIds, runtime.model.text.vocabSize);
    yield await compare('loss', [loss]);
  }
}

/** The decoder on all ids in one pass: logits of every token. */
export async function captureDecoder(
  runtime: ModelRuntime,
  reference: Reference,
  run: ReferenceRun,
  prompt: Prompt,
  stages: readonly string[],
): Promise<ReadonlyMap<string, Float32Array>> {
  const { model, weightScope, precision } = runtime;
  const { tokenIds, imageIndex, positions, spans } = prompt;
  const seq = tokenIds.length;
  const features = await featuresOf(runtime, reference, run, prompt);
  const imageRows = features && model.vision ? features.length / model.vision.featureWidth : 0;
  const graph = buildDecoderGraph(model, weightScope, precision, {
    seq,
    capacity: seq,
    imageRows,
    spans: spans !== undefined,
    picker: 'none',
  });
  nameAttentionProbabilities(graph, stages);
  const images = features && { features: { tensor: features, rows: imageRows }, index: imageIndex };
  const inputs = decoderInputs(
    model,
    { tokenIds, images, positions, spans },
    { begin: 0, count: seq, seq, past: 0, nextPosition: 0, capacity: seq },
  );
  return captureStages(runtime, graph, stages, inputs);
}

/** Mean cross entropy of each token, from the one at `first` on, given those before it. logits [S, V] */
export function nextTokenLoss(
  logits: ArrayLike<number>,
  ids: readonly number[],
  vocabSize: number,
  first = 1,
): number {
  let sum = 0;
  for (let row = first - 1; row + 1 < ids.length; row++) {
    const scores = Array.from({ length: vocabSize }, (_, id) => logits[row * vocabSize + id] ?? Number.NaN);
    const max = Math.max(...scores);
    const logSum = Math.log(scores.reduce((total, score) => total + Math.exp(score - max), 0)) + max;
    sum += logSum - (scores[ids[row + 1] ?? 0] ?? Number.NaN);
  }
  return sum / (ids.length - first);
}
