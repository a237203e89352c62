import { CPU_KERNELS } from './cpu-kernels.ts';
import { DECODING_KERNELS } from './decoding-kernels.ts';
import type { Kernel } from './kernel.ts';
import { TENSOR_KERNELS } from './tensor-kernels.ts';
import { TRAINING_KERNELS } from './training-kernels.ts';

/** Every kernel of the engine; tests and benches are generated from this list. The compiler takes the parts it needs. */
export const KERNELS: readonly Kernel[] = [
  ...TENSOR_KERNELS,
  ...CPU_KERNELS,
  ...DECODING_KERNELS,
  ...TRAINING_KERNELS,
];
