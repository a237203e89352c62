import type { Caps } from '../core/caps.ts';
import { CPU_KERNELS } from '../kernels/cpu-kernels.ts';
import { DECODING_KERNELS } from '../kernels/decoding-kernels.ts';
import type { Kernel } from '../kernels/kernel.ts';
import { TENSOR_KERNELS } from '../kernels/tensor-kernels.ts';
import { TRAINING_KERNELS } from '../kernels/training-kernels.ts';
import type { RewriteRule } from './rewrite.ts';
import { attentionPartsRules, type EstimateMs } from './rewrites/attention-parts.ts';
import { linearApartRules } from './rewrites/linear-apart.ts';
import { linearGroupRules, normGroupRules, type Serves } from './rewrites/linear-group.ts';
import { qkvAppendRules } from './rewrites/qkv-append.ts';

/**
 * Kernels that belong together, and the rewrites that make the ops which some of them serve. The compiler is given sets
 * and has none of its own, so that a bundle holds those that it uses.
 */
export interface KernelSet {
  readonly kernels: readonly Kernel[];
  /** Lists of rules, one after another. `estimateMs` is of the kernels given. */
  readonly rewrites?: (caps: Caps, estimateMs: EstimateMs) => readonly (readonly RewriteRule[])[];
}

/** Every op that models are written in: this set alone runs any graph but one that samples, pages or trains. */
export const tensorKernels: KernelSet = { kernels: TENSOR_KERNELS };

/** For CPU adapters: the same ops, faster there. A GPU takes none of them. */
export const cpuKernels: KernelSet = {
  kernels: CPU_KERNELS,
  rewrites: ({ kind }) => (kind === 'software' ? [linearApartRules] : []),
};

/** What makes steps of one token fast (groups of linears, rope with its cache, long caches in parts), pages, sampling. */
export const decodingKernels: KernelSet = {
  kernels: DECODING_KERNELS,
  rewrites(caps, estimateMs) {
    const serves: Serves = (node) => estimateMs(node) !== undefined;
    // On a CPU the vector's norm is read again for every few sums, which costs more than a dispatch of its own.
    const norms = caps.kind === 'software' ? [] : [normGroupRules(serves)];
    return [
      linearGroupRules(serves),
      ...norms,
      qkvAppendRules(caps, estimateMs),
      attentionPartsRules(caps, estimateMs),
    ];
  },
};

/** Gradients and optimizers. */
export const trainingKernels: KernelSet = { kernels: TRAINING_KERNELS };
