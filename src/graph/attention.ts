import { dim } from '../core/shape.ts';
import { attention as attentionOp } from '../ops/attention.ts';
import { applyOne } from './apply.ts';
import type { Tensor } from './tensor.ts';

/** Scale, order and masks of attention, all optional. */
export interface AttentionOptions {
  /** Default 1/sqrt(headDim). */
  readonly scale?: number;
  /** Each query sees the keys up to its own position; default false. */
  readonly causal?: boolean;
  /** [B] u32: tokens in the cache before these queries; k and v are then caches, read up to past + S. */
  readonly past?: Tensor | undefined;
  /** [B, S, 2] u32: keys first ≤ j < last that each query sees whatever causal order and window say, or, without `causal`, alone. */
  readonly span?: Tensor | undefined;
  /** [B|1, H|1, S, T] f32, added to the scores; -1e30 or less hides a key. */
  readonly mask?: Tensor | undefined;
  /** score → cap · tanh(score / cap), before any mask. */
  readonly softcap?: number | null | undefined;
  /** Each query sees only this many positions back, its own included. */
  readonly slidingWindow?: number | null | undefined;
}

/** Scaled dot product attention, fused. q [B, S, H, D], k and v [B, T, K, D] → [B, S, H, D]. */
export function attention(q: Tensor, k: Tensor, v: Tensor, options: AttentionOptions = {}): Tensor {
  const { past, span, mask } = options;
  return applyOne(
    attentionOp,
    { q, k, v, past, span, mask },
    {
      scale: options.scale ?? 1 / Math.sqrt(dim(q.shape, -1)),
      causal: options.causal ?? false,
      softcap: options.softcap ?? null,
      slidingWindow: options.slidingWindow ?? null,
    },
  );
}
