import type { FloatDType } from '../core/dtype.ts';
import { embedding as embeddingOp } from '../ops/embedding.ts';
import { applyOne } from './apply.ts';
import type { Tensor } from './tensor.ts';

/** What a gather gives, and from which part of a table. */
export interface EmbeddingOptions {
  /** dtype of the result. */
  readonly dtype: FloatDType;
  /** Row of the whole table that `weight` starts at; default 0. */
  readonly rowOffset?: number;
}

/** Rows of `weight` by id; zeros for ids outside it. ids [...] i32|u32, weight [V, C] → [..., C]. */
export const embedding = (ids: Tensor, weight: Tensor, { dtype, rowOffset = 0 }: EmbeddingOptions): Tensor =>
  applyOne(embeddingOp, { ids, weight }, { dtype, rowOffset });
