import { type InterpolateAttrs, interpolate as interpolateOp } from '../ops/interpolate.ts';
import { applyOne } from './apply.ts';
import type { Tensor } from './tensor.ts';

/** Resampling without antialiasing, as torch's `interpolate`. x [B, C, H, W] → [B, C, ...size]. */
export const interpolate = (x: Tensor, { size, mode }: InterpolateAttrs): Tensor =>
  applyOne(interpolateOp, { x }, { size, mode });
