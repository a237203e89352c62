import { crossEntropy } from '../../../src/graph/cross-entropy.ts';
import { reduceMax, reduceMean, reduceSum } from '../../../src/graph/reduce.ts';
import type { GoldenBuilders } from '../golden-call.ts';

export const reductions: GoldenBuilders = {
  reduce_sum: ({ input, number }) => reduceSum(input('x'), number('dim')),
  reduce_mean: ({ input, numbers }) => reduceMean(input('x'), numbers('dims')),
  reduce_max: ({ input, number }) => reduceMax(input('x'), number('dim')),
  cross_entropy: ({ input, number, numberOrNull }) =>
    crossEntropy(input('logits'), input('labels'), {
      ignoreIndex: number('ignore_index'),
      labelSmoothing: numberOrNull('label_smoothing') ?? 0,
    }),
};
