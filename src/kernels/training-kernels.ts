import {
  attentionKeyValueGradientRow,
  attentionLogSumExpRow,
  attentionQueryGradientRow,
} from './attention-gradients.ts';
import { conv2dInputGradientDirect, conv2dWeightGradientDirect } from './conv2d-gradients-direct.ts';
import type { Kernel } from './kernel.ts';
import { optimizerControlThread } from './optimizer-control-thread.ts';
import { accumulateMap, adamwUpdateMap, sgdUpdateMap } from './optimizer-updates.ts';
import { scatterAddRows } from './scatter-add-rows.ts';

/** Kernels of gradients and optimizers. */
export const TRAINING_KERNELS: readonly Kernel[] = [
  accumulateMap,
  adamwUpdateMap,
  attentionKeyValueGradientRow,
  attentionLogSumExpRow,
  attentionQueryGradientRow,
  conv2dInputGradientDirect,
  conv2dWeightGradientDirect,
  optimizerControlThread,
  scatterAddRows,
  sgdUpdateMap,
];
