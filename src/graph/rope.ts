import { rope as ropeOp } from '../ops/rope.ts';
import { applyOne } from './apply.ts';
import type { Tensor } from './tensor.ts';

/** Which dims turn together. */
export interface RopeOptions {
  /** True where neighbouring dims turn together; default false, dim i with dim i + R/2. */
  readonly interleaved?: boolean;
}

/**
 * Rotary position embedding of the first R dims of each head. x [B, S, H, D], cos and sin [P, R/2] f32,
 * positions [B, S] u32 (the table row of each token) → like x.
 */
export const rope = (
  x: Tensor,
  cos: Tensor,
  sin: Tensor,
  positions: Tensor,
  { interleaved = false }: RopeOptions = {},
): Tensor => applyOne(ropeOp, { x, cos, sin, positions }, { interleaved });
