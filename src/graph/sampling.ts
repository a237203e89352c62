import { markSeen as markSeenOp, sampleToken as sampleTokenOp } from '../ops/sampling.ts';
import { applyOne } from './apply.ts';
import type { Tensor } from './tensor.ts';

/**
 * Draws the next token of each row. logits [B, V], sampling [B, 8] u32 (rows of `encodeSampling`),
 * seen? [B, V] u32 kept by `markSeen` → [B] u32. Without `seen` there is no repetition penalty.
 */
export const sampleToken = (logits: Tensor, sampling: Tensor, seen?: Tensor): Tensor =>
  applyOne(sampleTokenOp, { logits, seen, sampling }, {});

/** Notes in `seen` [B, V] u32, in place, that tokens `ids` [B, ...] occurred. */
export const markSeen = (seen: Tensor, ids: Tensor): Tensor => applyOne(markSeenOp, { seen, ids }, {});
