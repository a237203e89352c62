import { softmax as softmaxOp } from '../ops/softmax.ts';
import { applyOne } from './apply.ts';
import type { Tensor } from './tensor.ts';

/** Softmax along the last axis. x [..., cols] → same. */
export const softmax = (x: Tensor): Tensor => applyOne(softmaxOp, { x }, {});
