import { attentionBroadcast } from './attention-broadcast.ts';
import type { Kernel } from './kernel.ts';
import { linearBroadcast } from './linear-broadcast.ts';
import { linearPackedBroadcast } from './linear-packed-broadcast.ts';
import { linearPackedMatvecBroadcast } from './linear-packed-matvec-broadcast.ts';
import { linearPanel } from './linear-panel.ts';
import { matmulBroadcast } from './matmul-broadcast.ts';
import { matmulPanel } from './matmul-panel.ts';

/**
 * Kernels for CPU adapters (lavapipe, SwiftShader), where a subgroup is the lanes of one vector and loads are dear. Others
 * serve the same calls there, more slowly; on a GPU these are the slow ones, and never chosen.
 */
export const CPU_KERNELS: readonly Kernel[] = [
  attentionBroadcast,
  linearBroadcast,
  linearPackedBroadcast,
  linearPackedMatvecBroadcast,
  linearPanel,
  matmulBroadcast,
  matmulPanel,
];
