import { type ScatterAddAttrs, scatterAdd as scatterAddOp } from '../ops/scatter-add.ts';
import { applyOne } from './apply.ts';
import type { Tensor } from './tensor.ts';

/** Rows of x added up by index; those whose index names no row are left out. index [...], x [..., C] → [rows, C] f32. */
export const scatterAdd = (index: Tensor, x: Tensor, { rows, rowOffset }: ScatterAddAttrs): Tensor =>
  applyOne(scatterAddOp, { index, x }, { rows, rowOffset });
