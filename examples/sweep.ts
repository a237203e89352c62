/** A small ablation: two projectors at two counts of tokens, trained on the next token or by contrast. */
// Elsewhere: 'tessera-vlm/train/ablation/sweep-config'.
import type { SweepConfig } from '../src/train/ablation/sweep-config.ts';

export const sweep: SweepConfig = {
  title: 'Projectors, tokens and losses',
  task: { kind: 'scenes' },
  seed: 0,
  steps: 200,
  batchSize: 32,
  learningRate: 3e-3,
  encoders: [{ width: 64, layers: 2, heads: 4, patchSize: 8 }],
  projectors: [
    { kind: 'mlp', tokens: 16 },
    { kind: 'mlp', tokens: 4 },
    { kind: 'c-abstractor', tokens: 4 },
  ],
  decoders: [{ width: 64, layers: 2, heads: 4 }],
  losses: ['next-token', 'info-nce', 'sigmoid'],
};
