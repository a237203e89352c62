import type { OpCase } from '../op-case.ts';
import { cacheAppendCases } from './cache-append.ts';
import { elementwiseCases } from './elementwise.ts';
import { embeddingCases } from './embedding.ts';
import { castCases, concatCases, permuteCases, sliceCases } from './movement.ts';
import { addLayerNormCases, addRmsNormCases, layerNormCases, rmsNormCases } from './norm.ts';
import { patchifyCases } from './patchify.ts';
import { ropeCases } from './rope.ts';
import { softmaxCases } from './softmax.ts';
import { spliceRowsCases } from './splice-rows.ts';

/** Test cases of every op that has a kernel, by op name. */
export const OP_CASES: Readonly<Record<string, readonly OpCase[]>> = {
  addLayerNorm: addLayerNormCases,
  addRmsNorm: addRmsNormCases,
  cacheAppend: cacheAppendCases,
  layerNorm: layerNormCases,
  rmsNorm: rmsNormCases,
  rope: ropeCases,
  cast: castCases,
  concat: concatCases,
  elementwise: elementwiseCases,
  embedding: embeddingCases,
  patchify: patchifyCases,
  permute: permuteCases,
  slice: sliceCases,
  spliceRows: spliceRowsCases,
  softmax: softmaxCases,
};
