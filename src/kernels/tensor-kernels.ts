import { argmaxRow } from './argmax-row.ts';
import { attentionQuery } from './attention-query.ts';
import { attentionTiled } from './attention-tiled.ts';
import { adaptiveAvgPool2dWindow, avgPool2dWindow } from './avg-pool-2d.ts';
import { cacheAppendRows } from './cache-append-rows.ts';
import { castCopy } from './cast-copy.ts';
import { concatCopy } from './concat-copy.ts';
import { conv2dDirect } from './conv2d-direct.ts';
import { convertWeightPairs } from './convert-weight-pairs.ts';
import { elementwiseMap } from './elementwise-map.ts';
import { embeddingGather } from './embedding-gather.ts';
import { embeddingGatherPacked } from './embedding-gather-packed.ts';
import { interpolateTaps } from './interpolate-taps.ts';
import type { Kernel } from './kernel.ts';
import { addLayerNormRow, layerNormRow } from './layer-norm-row.ts';
import { addLayerNormSubgroup, layerNormSubgroup } from './layer-norm-subgroup.ts';
import { linearColumns } from './linear-columns.ts';
import { linearMatvecLanes, linearMatvecSubgroup, linearMatvecWorkgroup } from './linear-matvec.ts';
import { linearPackedColumns } from './linear-packed-columns.ts';
import { linearPackedMatvecSubgroup, linearPackedMatvecWorkgroup } from './linear-packed-matvec.ts';
import { linearTiled } from './linear-tiled.ts';
import { logSumExpColumn, logSumExpRow } from './log-sum-exp-row.ts';
import { matmulColumns } from './matmul-columns.ts';
import { matmulTiled } from './matmul-tiled.ts';
import { mergeLowRankMap } from './merge-low-rank-map.ts';
import { patchifyGather } from './patchify-gather.ts';
import { permuteStrided } from './permute-strided.ts';
import { quantizeWeightBlocks } from './quantize-weight-blocks.ts';
import { reduceColumn } from './reduce-column.ts';
import { reduceRow } from './reduce-row.ts';
import { addRmsNormRow, rmsNormRow } from './rms-norm-row.ts';
import { addRmsNormSubgroup, rmsNormSubgroup } from './rms-norm-subgroup.ts';
import { ropePairs } from './rope-pairs.ts';
import { sliceCopy } from './slice-copy.ts';
import { softmaxRow } from './softmax-row.ts';
import { softmaxSubgroup } from './softmax-subgroup.ts';
import { spliceRowsSelect } from './splice-rows-select.ts';

/** Kernels of the ops that models are written in, and of their weights. */
export const TENSOR_KERNELS: readonly Kernel[] = [
  adaptiveAvgPool2dWindow,
  addLayerNormRow,
  addLayerNormSubgroup,
  addRmsNormRow,
  addRmsNormSubgroup,
  argmaxRow,
  attentionQuery,
  attentionTiled,
  avgPool2dWindow,
  cacheAppendRows,
  castCopy,
  concatCopy,
  conv2dDirect,
  convertWeightPairs,
  elementwiseMap,
  embeddingGather,
  embeddingGatherPacked,
  interpolateTaps,
  layerNormRow,
  layerNormSubgroup,
  linearColumns,
  linearMatvecLanes,
  linearMatvecSubgroup,
  linearMatvecWorkgroup,
  linearPackedColumns,
  linearPackedMatvecSubgroup,
  linearPackedMatvecWorkgroup,
  linearTiled,
  logSumExpColumn,
  logSumExpRow,
  matmulColumns,
  matmulTiled,
  mergeLowRankMap,
  patchifyGather,
  permuteStrided,
  quantizeWeightBlocks,
  reduceColumn,
  reduceRow,
  rmsNormRow,
  rmsNormSubgroup,
  ropePairs,
  sliceCopy,
  softmaxRow,
  softmaxSubgroup,
  spliceRowsSelect,
];
