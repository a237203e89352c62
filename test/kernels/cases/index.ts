import type { OpCase } from '../op-case.ts';
import { softmaxCases } from './softmax.ts';

/** Test cases of every op that has a kernel, by op name. */
export const OP_CASES: Readonly<Record<string, readonly OpCase[]>> = {
  softmax: softmaxCases,
};
