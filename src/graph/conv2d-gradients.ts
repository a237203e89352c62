import type { Shape } from '../core/shape.ts';
import type { Conv2dAttrs } from '../ops/conv2d.ts';
import * as ops from '../ops/conv2d-gradients.ts';
import { applyOne } from './apply.ts';
import type { Tensor } from './tensor.ts';

/** dx of `conv2d` from dy [B, Cout, H', W'] → `shape`, which is x's. */
export const conv2dInputGradient = (dy: Tensor, weight: Tensor, shape: Shape, attrs: Conv2dAttrs): Tensor =>
  applyOne(ops.conv2dInputGradient, { dy, weight }, { ...attrs, shape });

/** dweight of `conv2d` from dy [B, Cout, H', W'] → `shape`, which is the weight's. */
export const conv2dWeightGradient = (dy: Tensor, x: Tensor, shape: Shape, attrs: Conv2dAttrs): Tensor =>
  applyOne(ops.conv2dWeightGradient, { dy, x }, { ...attrs, shape });
