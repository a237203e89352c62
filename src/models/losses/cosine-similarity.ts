import { linear } from '../../graph/linear.ts';
import { mul, neg, scale } from '../../graph/math.ts';
import { l2Normalize } from '../../graph/reduce.ts';
import type { Tensor } from '../../graph/tensor.ts';
import { sumAll } from './blocks.ts';

/** a · b / (‖a‖ ‖b‖) of every row of a and every row of b. a [N, E], b [M, E] → [N, M] */
export const cosineSimilarity = (a: Tensor, b: Tensor): Tensor => linear(l2Normalize(a), l2Normalize(b));

/** Minus the mean cosine of each row of a and the row of b beside it: for features that are to agree. [N, E] → [] */
export function cosineLoss(a: Tensor, b: Tensor): Tensor {
  const [N = 1] = a.shape;
  return scale(neg(sumAll(mul(l2Normalize(a), l2Normalize(b)))), 1 / N);
}
