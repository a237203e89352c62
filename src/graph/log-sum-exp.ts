import { normalizeAxis } from '../core/shape.ts';
import { logSumExp as logSumExpOp } from '../ops/log-sum-exp.ts';
import { applyOne } from './apply.ts';
import type { Tensor } from './tensor.ts';

/** log Σ exp(x) along `axis` (a negative one counts from the end). x [..., n, ...] → f32 without that axis. */
export const logSumExp = (x: Tensor, axis: number): Tensor =>
  applyOne(logSumExpOp, { x }, { axis: normalizeAxis(axis, x.shape.length, 'logSumExp') });
