import type { Activation } from '../ops/activation.ts';
import { linear as linearOp } from '../ops/linear.ts';
import { applyOne } from './apply.ts';
import type { Tensor } from './tensor.ts';

/** What follows the product, within the same kernel. */
export interface LinearOptions {
  /** [N] */
  readonly bias?: Tensor | undefined;
  /** [..., N], added after the activation. */
  readonly residual?: Tensor | undefined;
  readonly activation?: Activation | undefined;
}

/** activation(x weightᵀ + bias) + residual. x [..., K], weight [N, K] → [..., N]. Throws ShapeError. */
export const linear = (
  x: Tensor,
  weight: Tensor,
  { bias, residual, activation }: LinearOptions = {},
): Tensor => applyOne(linearOp, { x, weight, bias, residual }, { activation: activation ?? null });
