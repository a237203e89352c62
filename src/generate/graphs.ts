import { invariant } from '../core/errors.ts';
import { dim, elementCount, formatShape, type Shape } from '../core/shape.ts';
import { embedding } from '../graph/embedding.ts';
import { Graph } from '../graph/graph.ts';
import { reshape, slice } from '../graph/movement.ts';
import { argmax } from '../graph/reduce.ts';
import { markSeen, sampleToken } from '../graph/sampling.ts';
import { spliceRows } from '../graph/splice-rows.ts';
import {
  type DecoderPass,
  type Model,
  packedTiles,
  type TileLayout,
  type VisionLayout,
} from '../models/model.ts';
import { bindParameters, type Precision } from '../models/parameters.ts';
import { SAMPLING_WORDS } from '../ops/sampling.ts';
import type { WeightScope } from '../weights/weight-scope.ts';

/** Sizes and choices that make one decoder graph differ from another. */
export interface DecoderShape {
  /** Tokens in this pass: a prompt chunk, padded to its bucket, or 1. */
  readonly seq: number;
  /** Tokens the KV cache holds. */
  readonly capacity: number;
  /** Rows of image features the pass is given; 0 for text only. */
  readonly imageRows: number;
  /** Whether tokens see keys besides those before them. */
  readonly spans: boolean;
  /** `greedy` needs no parameters; `sample` reads them per step; `none` gives the logits of every token. */
  readonly picker: 'greedy' | 'sample' | 'none';
}

/**
 * Token ids to the next token. Inputs: ids [1, S] u32; positions [1, S] u32, or with M-RoPE ropeCos and ropeSin
 * [S, rotaryDim / 2]; past [1] u32, and where S > 1 lastRow [1] u32; with images imageFeatures [N, featureWidth] and imageIndex [1, S] i32 (-1
 * for text); with spans span [1, S, 2] u32; to sample, seenIds [1, S] i32 (-1 for padding) and sampling.
 * Outputs: token [1] u32 and logits [1, V], or logits [S, V] where nothing is picked.
 */
export function buildDecoderGraph(
  model: Model,
  weights: WeightScope,
  precision: Precision,
  shape: DecoderShape,
): Graph {
  const { seq: S, capacity } = shape;
  const { hiddenSize: C, vocabSize: V } = model.text;
  const graph = new Graph();
  const w = bindParameters(graph, weights, precision);

  let embeds = model.embedTokens(graph.input('ids', [1, S], 'u32'), w, precision.activations); // [1, S, C]
  const images = imageInputs(graph, model, precision, shape.imageRows, [1, S]);
  if (images) embeds = spliceRows(embeds, slice(images.features, 1, 0, C), images.index);
  const hiddenStates = model.decode(embeds.named('inputs_embeds'), w, {
    ...positionInputs(graph, model, [1, S]),
    past: graph.input('past', [1], 'u32'),
    capacity,
    kvCacheDType: precision.kvCache,
    span: shape.spans ? graph.input('span', [1, S, 2], 'u32') : undefined,
    images,
  });
  const rows = reshape(hiddenStates, [S, C]);
  if (shape.picker === 'none') {
    graph.output('logits', model.logits(rows, w)); // [S, V]
    return graph;
  }
  const last =
    S === 1 ? rows : embedding(graph.input('lastRow', [1], 'u32'), rows, { dtype: precision.activations }); // [1, C]
  const logits = graph.output('logits', model.logits(last, w)); // [1, V]
  if (shape.picker === 'greedy') {
    graph.output('token', argmax(logits));
    return graph;
  }
  const seen = markSeen(graph.state('seen', [1, V], 'u32'), graph.input('seenIds', [1, S], 'i32'));
  const sampling = graph.input('sampling', [1, SAMPLING_WORDS], 'u32');
  graph.output('token', sampleToken(logits, sampling, seen));
  return graph;
}

/** Features and, for each token of [B, S], its row in them; undefined in a pass without pictures. */
export function imageInputs(
  graph: Graph,
  model: Model,
  { activations }: Precision,
  imageRows: number,
  tokens: Shape,
): DecoderPass['images'] {
  if (imageRows === 0) return undefined;
  invariant(model.vision, `${model.modelType} has no vision tower`);
  return {
    features: graph.input('imageFeatures', [imageRows, model.vision.featureWidth], activations),
    index: graph.input('imageIndex', tokens, 'i32'),
  };
}

/** Positions of the tokens [B, S] in the tables that a model keeps, or tables of this pass with a row per token. */
export function positionInputs(
  graph: Graph,
  { mrope }: Model,
  tokens: Shape,
): Pick<DecoderPass, 'positions' | 'rope'> {
  if (!mrope) return { positions: graph.input('positions', tokens, 'u32') };
  const count = elementCount(tokens);
  const shape = [count, mrope.rotaryDim / 2];
  return {
    positions: graph.constant(
      `rows.${count}`,
      Uint32Array.from({ length: count }, (_, row) => row),
      tokens,
    ),
    rope: { cos: graph.input('ropeCos', shape, 'f32'), sin: graph.input('ropeSin', shape, 'f32') },
  };
}

/** Seen tokens alone: seenIds [1, S] i32 (-1 for padding) into the state `seen`. */
export function buildSeenGraph(model: Model, seq: number): Graph {
  const graph = new Graph();
  markSeen(graph.state('seen', [1, model.text.vocabSize], 'u32'), graph.input('seenIds', [1, seq], 'i32'));
  return graph;
}

/** pixelValues [1, ...tile.shape] → tileFeatures [rows, width]. */
export function buildTileGraph(
  model: Model,
  weights: WeightScope,
  precision: Precision,
  tile: TileLayout,
): Graph {
  const graph = new Graph();
  invariant(model.encodeTile, `${model.modelType} has no vision tower`);
  const pixelValues = graph.input('pixelValues', [1, ...tile.shape], precision.activations);
  const parameters = bindParameters(graph, weights, precision);
  graph.output('tileFeatures', model.encodeTile(pixelValues, tile, parameters));
  return graph;
}

/**
 * tileFeatures [tiles * rows, width], of pooled tiles where frames are pooled → imageFeatures [tokens, featureWidth];
 * undefined where they are that already.
 */
export function buildPackGraph(
  model: Model,
  weights: WeightScope,
  precision: Precision,
  layout: VisionLayout,
  tileFeatures: Shape,
): Graph | undefined {
  const tiles = packedTiles(layout);
  const [rows, width] = [dim(tileFeatures, 0) * tiles, dim(tileFeatures, 1)];
  const graph = new Graph();
  const features = graph.input('tileFeatures', [rows, width], precision.activations);
  const packed =
    model.packTiles?.(features, { ...layout, tiles }, bindParameters(graph, weights, precision)) ?? features;
  const { featureWidth } = model.vision ?? {};
  invariant(
    dim(packed.shape, 0) === layout.tokens && dim(packed.shape, 1) === featureWidth,
    `${model.modelType} packs ${formatShape(packed.shape)} for ${layout.tokens} tokens of ${featureWidth}`,
  );
  if (packed === features) return undefined;
  graph.output('imageFeatures', packed);
  return graph;
}

/** A decode step and, where there is one, the vision tower on a usual picture: between them they use every weight. */
export function wholeModelGraphs(
  model: Model,
  weights: WeightScope,
  precision: Precision,
  capacity: number,
): Graph[] {
  const shape = { seq: 1, capacity, imageRows: 0, spans: false, picker: 'greedy' } as const;
  const graphs = [buildDecoderGraph(model, weights, precision, shape)];
  if (!model.vision) return graphs;
  const { typicalLayout } = model.vision;
  const tile = buildTileGraph(model, weights, precision, typicalLayout.tile);
  const tileFeatures = tile.outputs.get('tileFeatures')?.shape ?? [];
  const pack = buildPackGraph(model, weights, precision, typicalLayout, tileFeatures);
  return [...graphs, tile, ...(pack ? [pack] : [])];
}
