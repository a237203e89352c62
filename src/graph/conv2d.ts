import { conv2d as conv2dOp } from '../ops/conv2d.ts';
import { applyOne } from './apply.ts';
import type { Tensor } from './tensor.ts';

/** Bias and geometry of a convolution. */
export interface Conv2dOptions {
  readonly bias?: Tensor;
  /** Default 1. */
  readonly stride?: number;
  /** Zeros around x on every side; default 0. */
  readonly padding?: number;
  /** Parts of the channels that are convolved apart; default 1. */
  readonly groups?: number;
}

/** Convolution as torch's. x [B, Cin, H, W], weight [Cout, Cin / groups, Kh, Kw] → [B, Cout, H', W']. */
export const conv2d = (x: Tensor, weight: Tensor, options: Conv2dOptions = {}): Tensor => {
  const { bias, stride = 1, padding = 0, groups = 1 } = options;
  return applyOne(conv2dOp, { x, weight, bias }, { stride, padding, groups });
};
