import { invariant } from '../core/errors.ts';
import * as ops from '../ops/optimizer.ts';
import { applyAll, applyOne } from './apply.ts';
import type { Tensor } from './tensor.ts';

/** Decides on a step from the norm of all gradients; see the op. → control [8] f32. */
export function optimizerControl(
  progress: Tensor,
  squaredNorm: Tensor,
  learningRate: Tensor,
  attrs: ops.OptimizerControlAttrs,
): Tensor {
  const { control } = applyAll(ops.optimizerControl, { progress, squaredNorm, learningRate }, attrs);
  invariant(control, 'optimizerControl has an output control');
  return control;
}

/** A parameter, its gradient and what an optimizer keeps of it, all [...] f32; states but for the gradient. */
export interface AdamwTensors {
  readonly parameter: Tensor;
  readonly mean: Tensor;
  readonly variance: Tensor;
  readonly gradient: Tensor;
}

/** Moves a parameter and its moments one step of AdamW on, in place. → the parameter as it is from then on. */
export const adamwUpdate = (tensors: AdamwTensors, control: Tensor, attrs: ops.AdamwAttrs): Tensor =>
  updated(applyAll(ops.adamwUpdate, { ...tensors, control }, attrs));

export interface SgdTensors {
  readonly parameter: Tensor;
  readonly velocity: Tensor;
  readonly gradient: Tensor;
}

/** Moves a parameter and its velocity one step of gradient descent on, in place. → the parameter from then on. */
export const sgdUpdate = (tensors: SgdTensors, control: Tensor, attrs: ops.SgdAttrs): Tensor =>
  updated(applyAll(ops.sgdUpdate, { ...tensors, control }, attrs));

/** sum + x in place, or x where keep [1] is 0. sum (a state), x [...] f32 → the sum from then on. */
export const accumulate = (sum: Tensor, x: Tensor, keep: Tensor): Tensor =>
  applyOne(ops.accumulate, { sum, x, keep }, {});

function updated({ parameter }: ReturnType<typeof applyAll>): Tensor {
  invariant(parameter, 'an update has an output parameter');
  return parameter;
}
