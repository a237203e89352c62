import { invariant } from '../core/errors.ts';
import {
  addLayerNorm as addLayerNormOp,
  addRmsNorm as addRmsNormOp,
  layerNorm as layerNormOp,
  rmsNorm as rmsNormOp,
} from '../ops/norm.ts';
import type { Named } from '../ops/op.ts';
import { applyAll, applyOne } from './apply.ts';
import type { Tensor } from './tensor.ts';

/** What follows a residual connection: the new residual stream and its norm. */
export interface AddNorm {
  readonly sum: Tensor;
  readonly y: Tensor;
}

/** How the weight is stored. */
export interface RmsNormOptions {
  /** Added to the weight: 1 in Gemma, default 0. */
  readonly offset?: number;
}

/** Layer norm over the last axis. x [..., C], weight [C], bias [C] → like x. */
export const layerNorm = (x: Tensor, weight: Tensor, bias: Tensor | undefined, eps: number): Tensor =>
  applyOne(layerNormOp, { x, weight, bias }, { eps });

/** Root mean square norm over the last axis. x [..., C], weight [C] → like x. */
export const rmsNorm = (
  x: Tensor,
  weight: Tensor,
  eps: number,
  { offset = 0 }: RmsNormOptions = {},
): Tensor => applyOne(rmsNormOp, { x, weight }, { eps, offset });

/** x + residual and the layer norm of it, in one pass over memory. x, residual [..., C] → both like x. */
export const addLayerNorm = (
  x: Tensor,
  residual: Tensor,
  weight: Tensor,
  bias: Tensor | undefined,
  eps: number,
): AddNorm => addNorm(applyAll(addLayerNormOp, { x, residual, weight, bias }, { eps }));

/** x + residual and the RMS norm of it, in one pass over memory. x, residual [..., C] → both like x. */
export const addRmsNorm = (
  x: Tensor,
  residual: Tensor,
  weight: Tensor,
  eps: number,
  { offset = 0 }: RmsNormOptions = {},
): AddNorm => addNorm(applyAll(addRmsNormOp, { x, residual, weight }, { eps, offset }));

function addNorm({ sum, y }: Named<Tensor>): AddNorm {
  invariant(sum && y, 'a fused norm lacks an output');
  return { sum, y };
}
