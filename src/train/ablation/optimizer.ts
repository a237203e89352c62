import type { TrainingGraphOptions } from '../training-graph.ts';

/** How every architecture of an ablation is trained. */
export const OPTIMIZER: TrainingGraphOptions = {
  optimizer: { kind: 'adamw', beta2: 0.98, weightDecay: 0.02 },
  clipNorm: 1,
};
