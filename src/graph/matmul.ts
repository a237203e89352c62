import { matmul as matmulOp } from '../ops/matmul.ts';
import { applyOne } from './apply.ts';
import type { Tensor } from './tensor.ts';

/** a b over the last two axes, the others broadcast. a [..., M, K], b [..., K, N] → [..., M, N]. Throws ShapeError. */
export const matmul = (a: Tensor, b: Tensor): Tensor => applyOne(matmulOp, { a, b }, {});
