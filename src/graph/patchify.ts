import { patchify as patchifyOp } from '../ops/patchify.ts';
import { applyOne } from './apply.ts';
import type { Tensor } from './tensor.ts';

/**
 * Square patches of pictures, flattened as a convolution weight is, so that
 * `linear(patchify(x, p), reshape(weight, [C, channels * P * P]))` is the patch embedding.
 * x [B, channels, H, W] → [B, (H/P) * (W/P), channels * P * P].
 */
export const patchify = (x: Tensor, { patchSize }: { readonly patchSize: number }): Tensor =>
  applyOne(patchifyOp, { x }, { patchSize });
