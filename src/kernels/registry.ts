import type { Kernel } from './kernel.ts';
import { linearColumns } from './linear-columns.ts';
import { softmaxRow } from './softmax-row.ts';

/** Every kernel of the engine; tests, benches and the chooser are generated from this list. */
export const KERNELS: readonly Kernel[] = [linearColumns, softmaxRow];
