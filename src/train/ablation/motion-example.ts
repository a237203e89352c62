import type { PoolingChoice } from './architecture.ts';
import type { SweepConfig } from './sweep-config.ts';
import type { TrainingSettings } from './train-point.ts';

export const MOTION_SETTINGS: TrainingSettings = {
  seed: 0,
  steps: 240,
  batchSize: 32,
  learningRate: 2.5e-3,
};

/** 8 frames become one, 4, or stay, from the fewest tokens to the most. */
const POOLINGS: readonly PoolingChoice[] = [
  { kind: 'stride', window: 8 },
  { kind: 'mean', window: 8 },
  { kind: 'max', window: 8 },
  { kind: 'attention', window: 8 },
  { kind: 'mean', window: 2 },
  { kind: 'stride', window: 2 },
  'none',
];

/** Temporal poolings on a task that asks for the order of frames. */
export const motionSweep = (settings: TrainingSettings): SweepConfig => ({
  title: 'Temporal pooling: which way did it move?',
  task: { kind: 'motion', frames: 8 },
  ...settings,
  encoders: [{ width: 64, layers: 1, heads: 4, patchSize: 12 }],
  projectors: [{ kind: 'mlp' }],
  poolings: POOLINGS,
  decoders: [{ width: 64, layers: 2, heads: 4 }],
});
