import { dim, elementCount } from '../core/shape.ts';
import { captureGraph, joined } from '../generate/capture-graph.ts';
import { buildPackGraph, buildTileGraph } from '../generate/graphs.ts';
import type { Prompt } from '../generate/prompt.ts';
import type { ModelRuntime } from '../generate/sessions.ts';
import type { Graph } from '../graph/graph.ts';
import { imageTokensOf, type Model, type VisionLayout } from '../models/model.ts';
import type { ProcessedMedium } from '../processors/processor.ts';
import type { HostArray } from '../runtime/host-array.ts';
import { inOrderOfGraph, namesOfStage } from './capture.ts';
import { referenceTiles } from './inputs.ts';
import type { Reference, ReferenceRun } from './reference.ts';

type Captured = readonly Readonly<Record<string, HostArray>>[];

/** Tower, projector and packing on one picture or video. */
interface MediumRun {
  /** Each graph that ran, with the values of the stages it has, a run per tile. */
  readonly parts: readonly { readonly graph: Graph; readonly captured: Captured }[];
  /** [tokens, featureWidth] as the decoder takes them. */
  readonly features: Float32Array;
}

/** A stage's values of all tiles of all of the run's media in a row, the reference's pixels being fed. */
export async function captureVision(
  runtime: ModelRuntime,
  reference: Reference,
  run: ReferenceRun,
  media: readonly ProcessedMedium[],
  stages: readonly string[],
): Promise<ReadonlyMap<string, Float32Array>> {
  const tiles = await tilesOf(reference, run, media);
  const runs: MediumRun[] = [];
  // As the reference stacks them: pictures, then videos.
  for (const kind of ['image', 'video'] as const) {
    for (const medium of media.filter((one) => one.kind === kind))
      runs.push(await runMedium(runtime, medium.layout, tiles.get(medium) ?? [], stages));
  }
  const parts = runs.flatMap((one) => one.parts);
  const ordered = parts.flatMap(({ graph }) =>
    inOrderOfGraph(
      graph,
      stages.filter((stage) => namesOfStage(graph, stage).length > 0),
    ),
  );
  const valuesOf = (stage: string): Float32Array => {
    const names = parts.map(({ graph }) => namesOfStage(graph, stage)).find(({ length }) => length > 0) ?? [];
    const all = parts.flatMap(({ captured }) => captured);
    return joined(names.flatMap((name) => all.flatMap((one) => one[name] ?? [])));
  };
  const unknown = stages.filter((stage) => !ordered.includes(stage));
  return new Map([...unknown, ...ordered].map((stage) => [stage, valuesOf(stage)]));
}

async function runMedium(
  runtime: ModelRuntime,
  layout: VisionLayout,
  tiles: readonly Float32Array[],
  stages: readonly string[],
): Promise<MediumRun> {
  const { model, weightScope, precision } = runtime;
  const namesIn = (graph: Graph): string[] => stages.flatMap((stage) => namesOfStage(graph, stage));
  const graph = buildTileGraph(model, weightScope, precision, layout.tile);
  const inputs = tiles.map((pixelValues) => ({ pixelValues }));
  const captured = await captureGraph(runtime, graph, [...namesIn(graph), 'tileFeatures'], inputs);
  const tileFeatures = joined(captured.map((one) => one.tileFeatures ?? []));
  const shape = graph.outputs.get('tileFeatures')?.shape ?? [];
  const pack = buildPackGraph(model, weightScope, precision, layout, shape);
  if (!pack) return { parts: [{ graph, captured }], features: tileFeatures };
  const packed = await captureGraph(runtime, pack, [...namesIn(pack), 'imageFeatures'], [{ tileFeatures }]);
  const features = joined(packed.map((one) => one.imageFeatures ?? []));
  return {
    parts: [
      { graph, captured },
      { graph: pack, captured: packed },
    ],
    features,
  };
}

/** The pixels that the reference fed its tower for each medium. */
async function tilesOf(
  reference: Reference,
  run: ReferenceRun,
  media: readonly ProcessedMedium[],
): Promise<ReadonlyMap<ProcessedMedium, readonly Float32Array[]>> {
  const tiles = new Map<ProcessedMedium, readonly Float32Array[]>();
  for (const kind of ['image', 'video'] as const) {
    const ofKind = media.filter((medium) => medium.kind === kind);
    if (ofKind.length === 0) continue;
    (await referenceTiles(reference, run, ofKind)).forEach((own, i) => {
      const medium = ofKind[i];
      if (medium) tiles.set(medium, own);
    });
  }
  return tiles;
}

/**
 * The reference's features of a run's pictures and videos; where it recorded none, or apart for either kind, those made
 * here of its pixels.
 */
export async function featuresOf(
  runtime: ModelRuntime,
  reference: Reference,
  run: ReferenceRun,
  { media }: Prompt,
): Promise<Float32Array | undefined> {
  if (media.length === 0) return undefined;
  const tokens = imageTokensOf(media);
  const stage = recordedFeatures(reference, run);
  // Families that pack pictures record their features apart from those of videos: neither holds all.
  if (stage && elementCount(reference.shape(run, stage)) === tokens * runtime.model.text.hiddenSize) {
    const { model } = runtime;
    const recorded = await referenceFeatures(reference, run, model);
    return inMediaOrder(recorded, media, model.vision?.featureWidth ?? model.text.hiddenSize);
  }
  const tiles = await tilesOf(reference, run, media);
  const features: Float32Array[] = [];
  for (const medium of media)
    features.push((await runMedium(runtime, medium.layout, tiles.get(medium) ?? [], [])).features);
  return joined(features);
}

/** Features of all pictures, then of all videos, as the reference runs its tower, in the order of the prompt. */
function inMediaOrder(
  features: Float32Array,
  media: readonly ProcessedMedium[],
  width: number,
): Float32Array {
  const parts = new Map<ProcessedMedium, Float32Array>();
  let begin = 0;
  for (const kind of ['image', 'video'] as const) {
    for (const medium of media.filter((one) => one.kind === kind)) {
      const end = begin + medium.layout.tokens * width;
      parts.set(medium, features.subarray(begin, end));
      begin = end;
    }
  }
  return joined(media.map((medium) => parts.get(medium) ?? []));
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
