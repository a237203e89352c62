import { invariant } from '../core/errors.ts';
import { embedding } from '../graph/embedding.ts';
import { Graph } from '../graph/graph.ts';
import { reshape } from '../graph/movement.ts';
import { argmax } from '../graph/reduce.ts';
import { markSeen, sampleToken } from '../graph/sampling.ts';
import { spliceRows } from '../graph/splice-rows.ts';
import type { Model } from '../models/model.ts';
import { bindParameters, type Precision } from '../models/parameters.ts';
import { SAMPLING_WORDS } from '../ops/sampling.ts';
import type { WeightScope } from '../weights/weight-scope.ts';

/** Sizes and choices that make one decoder graph differ from another. */
export interface DecoderShape {
  /** Tokens in this pass: a prompt chunk, padded to its bucket, or 1. */
  readonly seq: number;
  /** Tokens the KV cache holds. */
  readonly capacity: number;
  /** Rows of image features the prompt refers to; 0 for text only. */
  readonly imageTokens: number;
  /** `greedy` needs no parameters; `sample` reads them per step; `none` gives the logits of every token. */
  readonly picker: 'greedy' | 'sample' | 'none';
}

/**
 * Token ids to the next token. Inputs: ids, positions [1, S] u32; past, lastRow [1] u32; with images imageFeatures
 * [N, C] and imageIndex [1, S] i32 (-1 for text); to sample, seenIds [1, S] i32 (-1 for padding) and sampling.
 * Outputs: token [1] u32 and logits [1, V], or logits [S, V] where nothing is picked.
 */
export function buildDecoderGraph(
  model: Model,
  weights: WeightScope,
  precision: Precision,
  shape: DecoderShape,
): Graph {
  const { seq: S, capacity, imageTokens } = shape;
  const { hiddenSize: C, vocabSize: V } = model.text;
  const graph = new Graph();
  const w = bindParameters(graph, weights, precision);
  const past = graph.input('past', [1], 'u32');
  const positions = graph.input('positions', [1, S], 'u32');

  let embeds = model.embedTokens(graph.input('ids', [1, S], 'u32'), w, precision.activations); // [1, S, C]
  if (imageTokens > 0) {
    const features = graph.input('imageFeatures', [imageTokens, C], precision.activations);
    embeds = spliceRows(embeds, features, graph.input('imageIndex', [1, S], 'i32'));
  }
  const hiddenStates = model.decode(embeds, w, {
    positions,
    past,
    capacity,
    kvCacheDType: precision.kvCache,
  });
  const rows = reshape(hiddenStates, [S, C]);
  if (shape.picker === 'none') {
    graph.output('logits', model.logits(rows, w)); // [S, V]
    return graph;
  }
  const last = embedding(graph.input('lastRow', [1], 'u32'), rows, { dtype: precision.activations }); // [1, C]
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

/** pixelValues [1, 3, H, W] → imageFeatures [tokensPerImage, C]. */
export function buildVisionGraph(model: Model, weights: WeightScope, precision: Precision): Graph {
  const graph = new Graph();
  invariant(model.vision && model.encodeImage, `${model.modelType} has no vision tower`);
  const pixelValues = graph.input('pixelValues', [1, ...model.vision.imageShape], precision.activations);
  graph.output('imageFeatures', model.encodeImage(pixelValues, bindParameters(graph, weights, precision)));
  return graph;
}
