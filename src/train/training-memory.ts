import { compileTraining } from '../compile/compile.ts';
import { planSummary } from '../compile/explain.ts';
import type { Caps } from '../core/caps.ts';
import type { TensorIndex } from '../weights/safetensors.ts';
import { weightScope } from '../weights/weight-scope.ts';
import { type BuildLoss, buildTrainingGraphs, type TrainingGraphOptions } from './training-graph.ts';

/** GPU bytes that a training step is planned to take. */
export interface TrainingMemory {
  /** Trained weights and what the optimizer keeps of them. */
  readonly states: number;
  /** Frozen weights and constants. */
  readonly weights: number;
  /** What the forward pass leaves to the backward pass, what comes between, and the batch. */
  readonly activations: number;
}

/** What `createTrainer` would allocate, known without a device. Throws what it throws for a model that does not fit its weights. */
export function trainingMemory(
  build: BuildLoss,
  index: TensorIndex,
  options: TrainingGraphOptions,
  caps: Caps,
): TrainingMemory {
  const { batch, update } = buildTrainingGraphs(build, weightScope(index, 'training'), options);
  const plan = planSummary(compileTraining(batch, caps)).memory;
  // Passes that follow one another have arenas of their own, but share states and weights.
  const after = update && planSummary(compileTraining(update, caps)).memory;
  return {
    states: Math.max(plan.state, after?.state ?? 0),
    weights: plan.weight + plan.constant,
    activations: plan.arena + plan.input + (after ? after.arena + after.input : 0),
  };
}
