import type { Size2d } from '../ops/feature-map.ts';
import * as ops from '../ops/pooling.ts';
import { applyOne } from './apply.ts';
import type { Tensor } from './tensor.ts';

/** Windows, [height, width]. */
export interface AvgPool2dOptions {
  readonly kernel: Size2d;
  /** Default: the kernel, so that windows touch. */
  readonly stride?: Size2d;
}

/** Mean over windows, as torch without padding. x [B, C, H, W] → [B, C, H', W']. */
export const avgPool2d = (x: Tensor, { kernel, stride = kernel }: AvgPool2dOptions): Tensor =>
  applyOne(ops.avgPool2d, { x }, { kernel, stride });

/** Mean over windows that cut each map into `size` parts, as torch. x [B, C, H, W] → [B, C, ...size]. */
export const adaptiveAvgPool2d = (x: Tensor, size: Size2d): Tensor =>
  applyOne(ops.adaptiveAvgPool2d, { x }, { size });
