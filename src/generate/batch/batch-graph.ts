import { embedding } from '../../graph/embedding.ts';
import { Graph } from '../../graph/graph.ts';
import { reshape, slice } from '../../graph/movement.ts';
import { sampleToken } from '../../graph/sampling.ts';
import { spliceRows } from '../../graph/splice-rows.ts';
import type { Model } from '../../models/model.ts';
import { bindParameters, type Precision } from '../../models/parameters.ts';
import { SAMPLING_WORDS } from '../../ops/sampling.ts';
import type { WeightScope } from '../../weights/weight-scope.ts';
import { imageInputs, positionInputs } from '../graphs.ts';

/** What makes passes over several answers differ from each other. */
export interface PassShape {
  /** Answers, those that only fill it up included. */
  readonly rows: number;
  /** Tokens of each: 1, or those of a prompt and what pads it. */
  readonly tokens: number;
  /** Whether prompts begin: nothing lies before them in their pages. */
  readonly begins: boolean;
  /** Pages that a row's tokens and those before them lie in, at most. */
  readonly pagesPerRow: number;
  /** Rows of image features that the pass is given; 0 for text alone. */
  readonly imageRows: number;
  /** Whether tokens see keys besides those before them. */
  readonly spans: boolean;
}

/** Sizes of the cache, the same in all passes. */
export interface PagedCacheShape {
  /** Pages of all rows together. */
  readonly pages: number;
  readonly pageSize: number;
  /** Tokens of one row at most. */
  readonly capacity: number;
}

/**
 * The next token of each row: every weight is read once for all of them, and each has pages of its own in the cache.
 * Inputs: ids [B, S], past [B], pages [B, N] u32; positions [B, S] u32, or with M-RoPE ropeCos and ropeSin
 * [B S, rotaryDim / 2]; where S > 1 lastRow [B] u32, counted over [B, S]; with images imageFeatures [R, featureWidth] and
 * imageIndex [B, S] i32 (-1 for text); with spans span [B, S, 2] u32; sampling [B, 8] u32.
 * Outputs: token [B] u32, without repetition penalty; logits [B, V].
 */
export function buildBatchGraph(
  model: Model,
  weights: WeightScope,
  precision: Precision,
  { rows: B, tokens: S, begins, pagesPerRow: N, imageRows, spans }: PassShape,
  { pages, pageSize, capacity }: PagedCacheShape,
): Graph {
  const { hiddenSize: C } = model.text;
  const graph = new Graph();
  const w = bindParameters(graph, weights, precision);
  let embeds = model.embedTokens(graph.input('ids', [B, S], 'u32'), w, precision.activations); // [B, S, C]
  const images = imageInputs(graph, model, precision, imageRows, [B, S]);
  if (images) embeds = spliceRows(embeds, slice(images.features, 1, 0, C), images.index);
  const hiddenStates = model.decode(embeds, w, {
    ...positionInputs(graph, model, [B, S]),
    past: graph.input('past', [B], 'u32'),
    capacity,
    kvCacheDType: precision.kvCache,
    pages: { table: graph.input('pages', [B, N], 'u32'), count: pages, size: pageSize, empty: begins },
    span: spans ? graph.input('span', [B, S, 2], 'u32') : undefined,
    images,
  });
  const states = reshape(hiddenStates, [B * S, C]);
  const last =
    S === 1
      ? states
      : embedding(graph.input('lastRow', [B], 'u32'), states, { dtype: precision.activations }); // [B, C]
  const logits = graph.output('logits', model.logits(last, w)); // [B, V]
  const sampling = graph.input('sampling', [B, SAMPLING_WORDS], 'u32');
  graph.output('token', sampleToken(logits, sampling));
  return graph;
}
