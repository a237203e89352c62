import { UnsupportedError } from '../core/errors.ts';
import { captureGraph, joined } from '../generate/capture-graph.ts';
import type { PromptMedium } from '../generate/read-prompt.ts';
import { Graph } from '../graph/graph.ts';
import { loadPicture, type PictureSource } from '../image/load-picture.ts';
import { preprocess } from '../image/preprocess.ts';
import { type PictureArea, visibleArea } from '../image/visible-area.ts';
import { bindParameters } from '../models/parameters.ts';
import type { ContrastiveAssets } from './contrastive-assets.ts';
import type { EmbedImageOptions } from './contrastive-model.ts';
import type { DualEncoderRuntime } from './tower-runner.ts';

/**
 * A unit vector for each patch of a picture, in the space of pictures and texts: what the picture's embedding would be if
 * the last attention saw that patch alone (Zhou et al. 2022, arXiv 2112.01071, section 3.2). The hidden states of patches
 * themselves, projected, say little of what is there: nothing in training compares them with a text, and background
 * patches take up what the whole picture shows (Li et al. 2023, arXiv 2304.05653).
 */
export interface PatchEmbeddings {
  readonly rows: number;
  readonly columns: number;
  /** [rows * columns, E] */
  readonly embeddings: Float32Array;
  /** The part of the picture that the patches cover. */
  readonly area: PictureArea;
}

/** A picture as the image tower takes it. Throws as `loadPicture`. */
export async function readPicture(
  { model, imageProcessor }: ContrastiveAssets,
  source: PictureSource,
): Promise<PromptMedium> {
  const { imageShape, tokensPerImage } = model.vision;
  return {
    kind: 'image',
    layout: { tile: { kind: 'image', shape: imageShape }, tiles: 1, tokens: tokensPerImage },
    areas: [visibleArea(await loadPicture(source), imageProcessor)],
  };
}

/** Patches of one picture, in a plan of their own. Throws UnsupportedError where the model has no such embedding. */
export async function embedPatches(
  runtime: DualEncoderRuntime,
  { model, imageProcessor }: ContrastiveAssets,
  source: PictureSource,
  { signal }: EmbedImageOptions = {},
): Promise<PatchEmbeddings> {
  const { weightScope, precision } = runtime;
  if (!model.encodePatches) {
    throw new UnsupportedError(
      `embedPatches: ${model.modelType} has no embedding of single patches; expected CLIP or SigLIP.`,
    );
  }
  const picture = await loadPicture(source, signal && { signal });
  const { pixelValues } = preprocess(picture, imageProcessor);
  const graph = new Graph();
  const input = graph.input('pixelValues', [1, ...model.vision.imageShape], precision.activations);
  const { patches, rows, columns } = model.encodePatches(
    input,
    bindParameters(graph, weightScope, precision),
  );
  graph.output('patches', patches);
  const captured = await captureGraph(runtime, graph, ['patches'], [{ pixelValues }]);
  return {
    rows,
    columns,
    embeddings: joined(captured.map((one) => one.patches ?? [])),
    area: visibleArea(picture, imageProcessor),
  };
}
