import { isFloat } from '../../core/dtype.ts';
import { invariant } from '../../core/errors.ts';
import { embedding } from '../../graph/embedding.ts';
import type { Tensor } from '../../graph/tensor.ts';

/** Rows of `x` by number, zeros for numbers below 0. x [N, C], index [...] i32|u32 → [..., C] of x's dtype. */
export function gatherRows(x: Tensor, index: Tensor): Tensor {
  const { dtype } = x;
  invariant(isFloat(dtype), `rows are gathered of ${dtype}`);
  return embedding(index, x, { dtype });
}
