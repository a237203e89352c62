import { cacheAppend as cacheAppendOp } from '../ops/cache-append.ts';
import { applyOne } from './apply.ts';
import type { Tensor } from './tensor.ts';

/**
 * Writes new keys or values into a cache, in place, and returns the cache as it is from then on: read that one.
 * cache [B, T, K, D] (a state), x [B, S, K, D], past [B] u32 (tokens already in it) → [B, T, K, D].
 */
export const cacheAppend = (cache: Tensor, x: Tensor, past: Tensor): Tensor =>
  applyOne(cacheAppendOp, { cache, x, past }, {});
