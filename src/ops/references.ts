import { invariant } from '../core/errors.ts';
import { attention, attentionReference } from './attention.ts';
import {
  attentionKeyValueGradient,
  attentionKeyValueGradientReference,
  attentionLogSumExp,
  attentionLogSumExpReference,
  attentionQueryGradient,
  attentionQueryGradientReference,
} from './attention-gradients.ts';
import {
  attentionParts,
  attentionPartsReference,
  mergeAttention,
  mergeAttentionReference,
} from './attention-parts.ts';
import { cacheAppend, cacheAppendReference } from './cache-append.ts';
import { conv2d, conv2dReference } from './conv2d.ts';
import {
  conv2dInputGradient,
  conv2dInputGradientReference,
  conv2dWeightGradient,
  conv2dWeightGradientReference,
} from './conv2d-gradients.ts';
import { convertWeight, convertWeightReference } from './convert-weight.ts';
import { elementwise, elementwiseReference } from './elementwise.ts';
import { embedding, embeddingReference } from './embedding.ts';
import { interpolate, interpolateReference } from './interpolate.ts';
import { linear, linearReference } from './linear.ts';
import { linearGroup, linearGroupReference } from './linear-group.ts';
import { logSumExp, logSumExpReference } from './log-sum-exp.ts';
import { matmul, matmulReference } from './matmul.ts';
import { mergeLowRank, mergeLowRankReference } from './merge-low-rank.ts';
import {
  cast,
  castReference,
  concat,
  concatReference,
  permute,
  permuteReference,
  reshape,
  reshapeReference,
  slice,
  sliceReference,
} from './movement.ts';
import {
  addLayerNorm,
  addLayerNormReference,
  addRmsNorm,
  addRmsNormReference,
  layerNorm,
  layerNormReference,
  rmsNorm,
  rmsNormReference,
} from './norm.ts';
import type { Attrs, Op, Reference } from './op.ts';
import {
  accumulate,
  accumulateReference,
  adamwUpdate,
  adamwUpdateReference,
  optimizerControl,
  optimizerControlReference,
  sgdUpdate,
  sgdUpdateReference,
} from './optimizer.ts';
import { pagedAppend, pagedAppendReference } from './paged-append.ts';
import { pagedAttention, pagedAttentionReference } from './paged-attention.ts';
import { patchify, patchifyReference } from './patchify.ts';
import { adaptiveAvgPool2d, adaptiveAvgPool2dReference, avgPool2d, avgPool2dReference } from './pooling.ts';
import { qkvAppend, qkvAppendReference } from './qkv-append.ts';
import { quantizeWeight, quantizeWeightReference } from './quantize-weight.ts';
import { argmax, argmaxReference, reduce, reduceReference } from './reduce.ts';
import { rope, ropeReference } from './rope.ts';
import { ropeAppend, ropeAppendReference } from './rope-append.ts';
import { markSeen, markSeenReference, sampleToken, sampleTokenReference } from './sampling.ts';
import { scatterAdd, scatterAddReference } from './scatter-add.ts';
import { softmax, softmaxReference } from './softmax.ts';
import { spliceRows, spliceRowsReference } from './splice-rows.ts';

type Pair = readonly [op: Op, reference: Reference];

/** Pairs an op with a reference of the same attributes, and forgets their type. */
const pair = <A extends Attrs>(op: Op<A>, reference: Reference<A>): Pair =>
  [op, reference] as unknown as Pair;

/** For tests and the interpreter; nothing that answers imports this list. */
const REFERENCES: ReadonlyMap<Op, Reference> = new Map([
  pair(accumulate, accumulateReference),
  pair(adamwUpdate, adamwUpdateReference),
  pair(adaptiveAvgPool2d, adaptiveAvgPool2dReference),
  pair(addLayerNorm, addLayerNormReference),
  pair(addRmsNorm, addRmsNormReference),
  pair(argmax, argmaxReference),
  pair(attention, attentionReference),
  pair(attentionKeyValueGradient, attentionKeyValueGradientReference),
  pair(attentionLogSumExp, attentionLogSumExpReference),
  pair(attentionParts, attentionPartsReference),
  pair(attentionQueryGradient, attentionQueryGradientReference),
  pair(avgPool2d, avgPool2dReference),
  pair(cacheAppend, cacheAppendReference),
  pair(cast, castReference),
  pair(concat, concatReference),
  pair(conv2d, conv2dReference),
  pair(conv2dInputGradient, conv2dInputGradientReference),
  pair(conv2dWeightGradient, conv2dWeightGradientReference),
  pair(convertWeight, convertWeightReference),
  pair(elementwise, elementwiseReference),
  pair(embedding, embeddingReference),
  pair(interpolate, interpolateReference),
  pair(layerNorm, layerNormReference),
  pair(linear, linearReference),
  pair(linearGroup, linearGroupReference),
  pair(logSumExp, logSumExpReference),
  pair(markSeen, markSeenReference),
  pair(matmul, matmulReference),
  pair(mergeAttention, mergeAttentionReference),
  pair(mergeLowRank, mergeLowRankReference),
  pair(optimizerControl, optimizerControlReference),
  pair(pagedAppend, pagedAppendReference),
  pair(pagedAttention, pagedAttentionReference),
  pair(patchify, patchifyReference),
  pair(permute, permuteReference),
  pair(quantizeWeight, quantizeWeightReference),
  pair(reduce, reduceReference),
  pair(reshape, reshapeReference),
  pair(rmsNorm, rmsNormReference),
  pair(rope, ropeReference),
  pair(qkvAppend, qkvAppendReference),
  pair(ropeAppend, ropeAppendReference),
  pair(sampleToken, sampleTokenReference),
  pair(scatterAdd, scatterAddReference),
  pair(sgdUpdate, sgdUpdateReference),
  pair(slice, sliceReference),
  pair(softmax, softmaxReference),
  pair(spliceRows, spliceRowsReference),
]);

/** The f64 reference of an op. */
export function referenceOf<A extends Attrs>(op: Op<A>): Reference<A> {
  const reference = REFERENCES.get(op as unknown as Op);
  invariant(reference, `${op.name} has no reference in ops/references.ts`);
  return reference as unknown as Reference<A>;
}
