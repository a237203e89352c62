import type { OpCase } from '../op-case.ts';
import { attentionCases } from './attention.ts';
import { attentionPartsCases, mergeAttentionCases } from './attention-parts.ts';
import { cacheAppendCases } from './cache-append.ts';
import { convertWeightCases } from './convert-weight.ts';
import { elementwiseCases } from './elementwise.ts';
import { embeddingCases } from './embedding.ts';
import { adaptiveAvgPool2dCases, avgPool2dCases, conv2dCases, interpolateCases } from './feature-maps.ts';
import {
  attentionKeyValueGradientCases,
  attentionLogSumExpCases,
  attentionQueryGradientCases,
  conv2dInputGradientCases,
  conv2dWeightGradientCases,
  scatterAddCases,
} from './gradients.ts';
import { linearCases } from './linear.ts';
import { linearGroupCases } from './linear-group.ts';
import { logSumExpCases } from './log-sum-exp.ts';
import { matmulCases } from './matmul.ts';
import { mergeLowRankCases } from './merge-low-rank.ts';
import { castCases, concatCases, permuteCases, sliceCases } from './movement.ts';
import { addLayerNormCases, addRmsNormCases, layerNormCases, rmsNormCases } from './norm.ts';
import { accumulateCases, adamwUpdateCases, optimizerControlCases, sgdUpdateCases } from './optimizer.ts';
import { pagedAppendCases, pagedAttentionCases } from './paged-cache.ts';
import { patchifyCases } from './patchify.ts';
import { qkvAppendCases } from './qkv-append.ts';
import { quantizeWeightCases } from './quantize-weight.ts';
import { argmaxCases, reduceCases } from './reduce.ts';
import { ropeCases } from './rope.ts';
import { ropeAppendCases } from './rope-append.ts';
import { markSeenCases, sampleTokenCases } from './sampling.ts';
import { softmaxCases } from './softmax.ts';
import { spliceRowsCases } from './splice-rows.ts';

/** Test cases of every op that has a kernel, by op name. */
export const OP_CASES: Readonly<Record<string, readonly OpCase[]>> = {
  accumulate: accumulateCases,
  adamwUpdate: adamwUpdateCases,
  adaptiveAvgPool2d: adaptiveAvgPool2dCases,
  addLayerNorm: addLayerNormCases,
  addRmsNorm: addRmsNormCases,
  argmax: argmaxCases,
  attention: attentionCases,
  attentionKeyValueGradient: attentionKeyValueGradientCases,
  attentionParts: attentionPartsCases,
  attentionLogSumExp: attentionLogSumExpCases,
  attentionQueryGradient: attentionQueryGradientCases,
  avgPool2d: avgPool2dCases,
  cacheAppend: cacheAppendCases,
  cast: castCases,
  concat: concatCases,
  conv2d: conv2dCases,
  conv2dInputGradient: conv2dInputGradientCases,
  conv2dWeightGradient: conv2dWeightGradientCases,
  convertWeight: convertWeightCases,
  elementwise: elementwiseCases,
  embedding: embeddingCases,
  interpolate: interpolateCases,
  layerNorm: layerNormCases,
  linear: linearCases,
  linearGroup: linearGroupCases,
  logSumExp: logSumExpCases,
  matmul: matmulCases,
  mergeAttention: mergeAttentionCases,
  mergeLowRank: mergeLowRankCases,
  markSeen: markSeenCases,
  optimizerControl: optimizerControlCases,
  pagedAppend: pagedAppendCases,
  pagedAttention: pagedAttentionCases,
  patchify: patchifyCases,
  permute: permuteCases,
  quantizeWeight: quantizeWeightCases,
  reduce: reduceCases,
  rmsNorm: rmsNormCases,
  rope: ropeCases,
  qkvAppend: qkvAppendCases,
  ropeAppend: ropeAppendCases,
  sampleToken: sampleTokenCases,
  scatterAdd: scatterAddCases,
  sgdUpdate: sgdUpdateCases,
  slice: sliceCases,
  softmax: softmaxCases,
  spliceRows: spliceRowsCases,
};
