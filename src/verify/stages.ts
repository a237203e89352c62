import { dim } from '../core/shape.ts';
import { captureGraph, joined } from '../generate/capture-graph.ts';
import { decoderInputs } from '../generate/decoder-inputs.ts';
import { buildDecoderGraph, buildPackGraph, buildTileGraph } from '../generate/graphs.ts';
import type { Prompt } from '../generate/prompt.ts';
import type { ModelRuntime } from '../generate/sessions.ts';
import type { Graph } from '../graph/graph.ts';
import type { Model } from '../models/model.ts';
import type { ProcessedMedium } from '../processors/processor.ts';
import type { HostArray } from '../runtime/host-array.ts';
import { nameAttentionProbabilities } from './attention.ts';
import { captureStages, inOrderOfGraph, namesOfStage } from './capture.ts';
import { compareValues } from './compare.ts';
import { referenceTiles } from './inputs.ts';
import type { Reference, ReferenceRun } from './reference.ts';
import type { StageResult } from './stage-result.ts';

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

/** Tower, projector and packing on each of the run's media; a stage's values of all tiles in a row. */
async function captureVision(
  runtime: ModelRuntime,
  reference: Reference,
  run: ReferenceRun,
  media: readonly ProcessedMedium[],
  stages: readonly string[],
): Promise<ReadonlyMap<string, Float32Array>> {
  const { model, weightScope, precision } = runtime;
  const graphs: Graph[] = [];
  const values = new Map<string, ArrayLike<number>[]>();
  const collect = (graph: Graph, captured: readonly Readonly<Record<string, HostArray>>[]): void => {
    graphs.push(graph);
    for (const one of captured)
      for (const [name, array] of Object.entries(one)) values.set(name, [...(values.get(name) ?? []), array]);
  };
  const namesIn = (graph: Graph): string[] => stages.flatMap((stage) => namesOfStage(graph, stage));

  for (const kind of ['image', 'video'] as const) {
    const ofKind = media.filter((medium) => medium.kind === kind);
    if (ofKind.length === 0) continue;
    const tiles = await referenceTiles(reference, run, ofKind);
    for (const [i, { layout }] of ofKind.entries()) {
      const graph = buildTileGraph(model, weightScope, precision, layout.tile);
      const runs = (tiles[i] ?? []).map((pixelValues) => ({ pixelValues }));
      const captured = await captureGraph(runtime, graph, [...namesIn(graph), 'tileFeatures'], runs);
      collect(graph, captured);
      const shape = graph.outputs.get('tileFeatures')?.shape ?? [];
      const pack = buildPackGraph(model, weightScope, precision, layout, shape);
      if (!pack) continue;
      const tileFeatures = joined(captured.map((one) => one.tileFeatures ?? []));
      collect(pack, await captureGraph(runtime, pack, namesIn(pack), [{ tileFeatures }]));
    }
  }
  const ordered = graphs.flatMap((graph) =>
    inOrderOfGraph(
      graph,
      stages.filter((stage) => namesOfStage(graph, stage).length > 0),
    ),
  );
  const known = ordered.map((stage): [string, Float32Array] => {
    const names = graphs.map((graph) => namesOfStage(graph, stage)).find(({ length }) => length > 0) ?? [];
    return [stage, joined(names.flatMap((name) => values.get(name) ?? []))];
  });
  const unknown = stages.filter((stage) => !ordered.includes(stage));
  return new Map([...unknown.map((stage): [string, Float32Array] => [stage, new Float32Array()]), ...known]);
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

/** The reference's features of a run's pictures; where it recorded none, those made here of its pixels. */
async function featuresOf(
  runtime: ModelRuntime,
  reference: Reference,
  run: ReferenceRun,
  { media }: Prompt,
): Promise<Float32Array | undefined> {
  if (media.length === 0) return undefined;
  if (recordedFeatures(reference, run)) return referenceFeatures(reference, run, runtime.model);
  const captured = await captureVision(runtime, reference, run, media, ['projector.output']);
  return captured.get('projector.output');
}

const recordedFeatures = (reference: Reference, run: ReferenceRun): string | undefined =>
  ['projector.output', 'projector.output_packed', 'projector.output_pooled'].find((name) =>
    reference.has(run, name),
  );

/** What the reference's projector gave, rows as the decoder takes them: deeper layers' features beside the first. */
export async function referenceFeatures(
  reference: Reference,
  run: ReferenceRun,
  { text, vision }: Model,
): Promise<Float32Array> {
  const first = await reference.floats(run, recordedFeatures(reference, run) ?? 'projector.output');
  const C = text.hiddenSize;
  const width = vision?.featureWidth ?? C;
  if (width === C) return first;
  const deeper = await reference.floats(run, 'vision.deepstack_features'); // [levels, N, C]
  const rows = dim(reference.shape(run, 'vision.deepstack_features'), 1);
  const features = new Float32Array(rows * width);
  for (let row = 0; row < rows; row++) {
    features.set(first.subarray(row * C, (row + 1) * C), row * width);
    for (let level = 0; (level + 1) * C < width; level++) {
      const from = (level * rows + row) * C;
      features.set(deeper.subarray(from, from + C), row * width + (level + 1) * C);
    }
  }
  return features;
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
