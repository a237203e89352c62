import { castCopy } from './cast-copy.ts';
import { concatCopy } from './concat-copy.ts';
import { elementwiseMap } from './elementwise-map.ts';
import { embeddingGather } from './embedding-gather.ts';
import type { Kernel } from './kernel.ts';
import { linearColumns } from './linear-columns.ts';
import { patchifyGather } from './patchify-gather.ts';
import { permuteStrided } from './permute-strided.ts';
import { sliceCopy } from './slice-copy.ts';
import { softmaxRow } from './softmax-row.ts';
import { spliceRowsSelect } from './splice-rows-select.ts';

/** Every kernel of the engine; tests, benches and the chooser are generated from this list. */
export const KERNELS: readonly Kernel[] = [
  castCopy,
  concatCopy,
  elementwiseMap,
  embeddingGather,
  linearColumns,
  patchifyGather,
  permuteStrided,
  sliceCopy,
  softmaxRow,
  spliceRowsSelect,
];
