import type { OpCase } from '../op-case.ts';
import { elementwiseCases } from './elementwise.ts';
import { embeddingCases } from './embedding.ts';
import { castCases, concatCases, permuteCases, sliceCases } from './movement.ts';
import { patchifyCases } from './patchify.ts';
import { softmaxCases } from './softmax.ts';
import { spliceRowsCases } from './splice-rows.ts';

/** Test cases of every op that has a kernel, by op name. */
export const OP_CASES: Readonly<Record<string, readonly OpCase[]>> = {
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
