import { spliceRows as spliceRowsOp } from '../ops/splice-rows.ts';
import { applyOne } from './apply.ts';
import type { Tensor } from './tensor.ts';

/**
 * `rows[index[b, s]]` in place of `x[b, s]` wherever the index is not negative.
 * x [B, S, C], rows [N, C], index [B, S] i32 → like x.
 */
export const spliceRows = (x: Tensor, rows: Tensor, index: Tensor): Tensor =>
  applyOne(spliceRowsOp, { x, rows, index }, {});
