import { Graph } from '../../graph/graph.ts';
import { reshape } from '../../graph/movement.ts';
import { sampleToken } from '../../graph/sampling.ts';
import type { Model } from '../../models/model.ts';
import { bindParameters, type Precision } from '../../models/parameters.ts';
import { SAMPLING_WORDS } from '../../ops/sampling.ts';
import type { WeightScope } from '../../weights/weight-scope.ts';

/** Sizes of a pass over one token of each of several answers. */
export interface BatchShape {
  /** Answers, those that only fill it up included. */
  readonly rows: number;
  /** Pages of all rows together, and of each. */
  readonly pages: number;
  readonly pagesPerRow: number;
  readonly pageSize: number;
}

/**
 * The next token of each row: every weight is read once for all of them, and each has pages of its own in the cache.
 * Inputs: ids [B, 1], past [B], pages [B, N] u32; positions [B, 1] u32, or with M-RoPE ropeCos and ropeSin
 * [B, rotaryDim / 2]; sampling [B, 8] u32. Outputs: token [B] u32, without repetition penalty; logits [B, V].
 */
export function buildBatchGraph(
  model: Model,
  weights: WeightScope,
  precision: Precision,
  { rows: B, pages, pagesPerRow: N, pageSize }: BatchShape,
): Graph {
  const graph = new Graph();
  const w = bindParameters(graph, weights, precision);
  const embeds = model.embedTokens(graph.input('ids', [B, 1], 'u32'), w, precision.activations); // [B, 1, C]
  const hiddenStates = model.decode(embeds, w, {
    ...positionInputs(graph, model, B),
    past: graph.input('past', [B], 'u32'),
    capacity: N * pageSize,
    kvCacheDType: precision.kvCache,
    pages: { table: graph.input('pages', [B, N], 'u32'), count: pages, size: pageSize },
  });
  const logits = graph.output('logits', model.logits(reshape(hiddenStates, [B, model.text.hiddenSize]), w)); // [B, V]
  const sampling = graph.input('sampling', [B, SAMPLING_WORDS], 'u32');
  graph.output('token', sampleToken(logits, sampling));
  return graph;
}

/** As for one answer, a row of the tables per answer. */
function positionInputs(graph: Graph, { mrope }: Model, rows: number) {
  if (!mrope) return { positions: graph.input('positions', [rows, 1], 'u32') };
  const shape = [rows, mrope.rotaryDim / 2];
  const own = Uint32Array.from({ length: rows }, (_, row) => row);
  return {
    positions: graph.constant(`rows.${rows}`, own, [rows, 1]),
    rope: { cos: graph.input('ropeCos', shape, 'f32'), sin: graph.input('ropeSin', shape, 'f32') },
  };
}
