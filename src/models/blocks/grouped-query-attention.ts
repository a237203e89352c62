import { attention } from '../../graph/attention.ts';
import { cacheAppend } from '../../graph/cache-append.ts';
import type { Graph } from '../../graph/graph.ts';
import { reshape } from '../../graph/movement.ts';
import { pagedAppend, pagedAttention } from '../../graph/paged-cache.ts';
import { rope } from '../../graph/rope.ts';
import type { Tensor } from '../../graph/tensor.ts';
import type { DecoderPass, PagedCache } from '../model.ts';
import type { Parameters } from '../parameters.ts';
import { biasedLinear } from './biased-linear.ts';
import { gatherRows } from './gather-rows.ts';
import type { RopeTensors } from './rope-tensors.ts';

export interface GroupedQueryAttentionConfig {
  readonly hiddenSize: number;
  readonly numAttentionHeads: number;
  readonly numKeyValueHeads: number;
  readonly headDim: number;
  readonly qkvBias: boolean;
  readonly outputBias: boolean;
  /** Keys a query of each layer sees, counted back from itself; null sees all. */
  readonly slidingWindows: readonly (number | null)[];
}

/** What some families add. */
export interface AttentionOptions {
  /** Multiplies q·k; 1/sqrt(headDim) unless told. */
  readonly scale?: number;
  /** Bound of the scores; none unless told. */
  readonly softcap?: number | null;
  /** Norm of each head of queries and keys before they turn. heads [B, S, heads, D] → the same */
  readonly normHeads?: (heads: Tensor, name: 'q_norm' | 'k_norm') => Tensor;
}

/**
 * Causal attention over the KV cache with rotary positions, several query heads sharing a key and value head (Ainslie
 * et al. 2023, arXiv 2305.13245). Weights `q_proj`, `k_proj`, `v_proj`, `o_proj`. x [B, S, C] → [B, S, C]
 */
export function groupedQueryAttention(
  x: Tensor,
  layer: number,
  config: GroupedQueryAttentionConfig,
  w: Parameters,
  pass: DecoderPass,
  tables: RopeTensors,
  { scale, softcap, normHeads = (heads) => heads }: AttentionOptions = {},
): Tensor {
  const { hiddenSize: C, numAttentionHeads: H, numKeyValueHeads: K, headDim: D } = config;
  const { graph } = x;
  const [B = 1, S = 1] = x.shape;
  const heads = (name: string, count: number): Tensor =>
    reshape(biasedLinear(x, w, name, [count * D, C], config.qkvBias), [B, S, count, D]);
  const turned = (x: Tensor): Tensor => rope(x, tables.cos, tables.sin, pass.positions);
  const q = turned(normHeads(heads('q_proj', H), 'q_norm')); // [B, S, H, D]
  const k = turned(normHeads(heads('k_proj', K), 'k_norm')); // [B, S, K, D]
  const v = heads('v_proj', K); // [B, S, K, D]

  const slidingWindow = config.slidingWindows[layer] ?? null;
  const y = overCache(graph, layer, { q, k, v }, pass, { scale, softcap, slidingWindow }); // [B, S, H, D]
  return biasedLinear(reshape(y, [B, S, H * D]), w, 'o_proj', [C, H * D], config.outputBias);
}

interface Heads {
  readonly q: Tensor;
  readonly k: Tensor;
  readonly v: Tensor;
}

interface CacheAttention {
  readonly scale: number | undefined;
  readonly softcap: number | null | undefined;
  readonly slidingWindow: number | null;
}

/** Appends k and v to the layer's cache and attends over it. q [B, S, H, D], k and v [B, S, K, D] → [B, S, H, D] */
function overCache(
  graph: Graph,
  layer: number,
  { q, k, v }: Heads,
  { past, pages, span, capacity, kvCacheDType }: DecoderPass,
  { scale, ...options }: CacheAttention,
): Tensor {
  const [B = 1, S = 1, K = 1, D = 1] = k.shape;
  const rows = pages ? [pages.count, pages.size] : [B, capacity];
  const cache = (name: string): Tensor => graph.state(`kv.${layer}.${name}`, [...rows, K, D], kvCacheDType);
  const scaled = { ...options, ...(scale === undefined ? {} : { scale }) };
  if (pages) {
    const append = (name: string, x: Tensor): Tensor => pagedAppend(cache(name), x, past, pages.table); // [P, G, K, D]
    const [keys, values] = [append('key', k), append('value', v)];
    if (pages.empty) return attention(q, k, v, { ...scaled, causal: true, span });
    if (S === 1) return pagedAttention(q, keys, values, { ...scaled, past, pages: pages.table });
    // Many queries read each key many times: for them the pages are put in a row first.
    return attention(q, inRow(keys, pages), inRow(values, pages), { ...scaled, causal: true, past, span });
  }
  const append = (name: string, x: Tensor): Tensor => cacheAppend(cache(name), x, past); // [B, T, K, D]
  return attention(q, append('key', k), append('value', v), { ...scaled, causal: true, past, span });
}

/** The pages of each row, one after another. cache [P, G, K, D] → [B, N G, K, D] */
function inRow(cache: Tensor, { table, count }: PagedCache): Tensor {
  const [, G = 1, K = 1, D = 1] = cache.shape;
  const [B = 1, N = 1] = table.shape;
  return reshape(gatherRows(reshape(cache, [count, G * K * D]), table), [B, N * G, K, D]);
}
