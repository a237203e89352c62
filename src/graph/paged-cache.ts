import { dim } from '../core/shape.ts';
import { pagedAppend as pagedAppendOp } from '../ops/paged-append.ts';
import { pagedAttention as pagedAttentionOp } from '../ops/paged-attention.ts';
import { applyOne } from './apply.ts';
import type { Tensor } from './tensor.ts';

/**
 * Writes new keys or values into a cache in pages, in place, and returns the cache as it is from then on: read that one.
 * cache [P, G, K, D] (a state), x [B, S, K, D], past [B] u32 (tokens already in it), pages [B, N] u32 → [P, G, K, D].
 */
export const pagedAppend = (cache: Tensor, x: Tensor, past: Tensor, pages: Tensor): Tensor =>
  applyOne(pagedAppendOp, { cache, x, past, pages }, {});

export interface PagedAttentionOptions {
  /** [B] u32: tokens in the cache before these queries. */
  readonly past: Tensor;
  /** [B, N] u32: the pages of each row, in order. */
  readonly pages: Tensor;
  /** Default 1/sqrt(headDim). */
  readonly scale?: number;
  readonly softcap?: number | null | undefined;
  readonly slidingWindow?: number | null | undefined;
}

/** Causal attention over a cache in pages. q [B, S, H, D], k and v [P, G, K, D] → [B, S, H, D]. */
export const pagedAttention = (q: Tensor, k: Tensor, v: Tensor, options: PagedAttentionOptions): Tensor =>
  applyOne(
    pagedAttentionOp,
    { q, k, v, past: options.past, pages: options.pages },
    {
      scale: options.scale ?? 1 / Math.sqrt(dim(q.shape, -1)),
      causal: true,
      softcap: options.softcap ?? null,
      slidingWindow: options.slidingWindow ?? null,
    },
  );
