import type { OpCase } from '../op-case.ts';
import { attentionCases } from './attention.ts';
import { cacheAppendCases } from './cache-append.ts';
import { convertWeightCases } from './convert-weight.ts';
import { elementwiseCases } from './elementwise.ts';
import { embeddingCases } from './embedding.ts';
import { castCases, concatCases, permuteCases, sliceCases } from './movement.ts';
import { addLayerNormCases, addRmsNormCases, layerNormCases, rmsNormCases } from './norm.ts';
import { patchifyCases } from './patchify.ts';
import { argmaxCases, reduceCases } from './reduce.ts';
import { ropeCases } from './rope.ts';
import { markSeenCases, sampleTokenCases } from './sampling.ts';
import { softmaxCases } from './softmax.ts';
import { spliceRowsCases } from './splice-rows.ts';

/** Test cases of every op that has a kernel, by op name. */
export const OP_CASES: Readonly<Record<string, readonly OpCase[]>> = {
  addLayerNorm: addLayerNormCases,
  addRmsNorm: addRmsNormCases,
  argmax: argmaxCases,
  attention: attentionCases,
  cacheAppend: cacheAppendCases,
  cast: castCases,
  concat: concatCases,
  convertWeight: convertWeightCases,
  elementwise: elementwiseCases,
  embedding: embeddingCases,
  layerNorm: layerNormCases,
  markSeen: markSeenCases,
  patchify: patchifyCases,
  permute: permuteCases,
  reduce: reduceCases,
  rmsNorm: rmsNormCases,
  rope: ropeCases,
  sampleToken: sampleTokenCases,
  slice: sliceCases,
  softmax: softmaxCases,
  spliceRows: spliceRowsCases,
};
