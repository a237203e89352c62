import { Graph } from '../graph/graph.ts';
import type { DualEncoder } from '../models/dual-encoder.ts';
import { bindParameters, type Precision } from '../models/parameters.ts';
import type { WeightScope } from '../weights/weight-scope.ts';

/** pixelValues [B, 3, H, W] → embeddings [B, E]. */
export function buildImageGraph(
  model: DualEncoder,
  weights: WeightScope,
  precision: Precision,
  batch: number,
): Graph {
  const graph = new Graph();
  const pixelValues = graph.input('pixelValues', [batch, ...model.vision.imageShape], precision.activations);
  graph.output('embeddings', model.encodeImage(pixelValues, bindParameters(graph, weights, precision)));
  return graph;
}

/** Sizes that make one text graph differ from another. */
export interface TextShape {
  readonly batch: number;
  /** Tokens of each text, padding among them. */
  readonly seq: number;
}

/** ids [B, S] u32, pooledRows [B] u32 → embeddings [B, E]. */
export function buildTextGraph(
  model: DualEncoder,
  weights: WeightScope,
  precision: Precision,
  { batch, seq }: TextShape,
): Graph {
  const graph = new Graph();
  const w = bindParameters(graph, weights, precision);
  const ids = graph.input('ids', [batch, seq], 'u32');
  const pooledRows = graph.input('pooledRows', [batch], 'u32');
  graph.output('embeddings', model.encodeText(ids, pooledRows, w, precision.activations));
  return graph;
}
