import type { DType } from '../core/dtype.ts';
import { InputError } from '../core/errors.ts';
import { dim, normalizeAxis, type Shape } from '../core/shape.ts';
import * as ops from '../ops/movement.ts';
import { applyOne } from './apply.ts';
import type { Tensor } from './tensor.ts';

/** The same values as `shape`, which has as many elements. Costs nothing. */
export const reshape = (x: Tensor, shape: Shape): Tensor => applyOne(ops.reshape, { x }, { shape });

/** Axes in another order, as `torch.permute`: axis a of the result is axis `order[a]` of x. */
export function permute(x: Tensor, order: readonly number[]): Tensor {
  const moved = order.filter((axis) => x.shape[axis] !== 1);
  const keepsOrder = moved.every((axis, i) => i === 0 || axis > (moved[i - 1] ?? 0));
  const isPermutation = new Set(order).size === x.shape.length && order.length === x.shape.length;
  // Moving axes of size 1 moves no element.
  if (keepsOrder && isPermutation && order.every((axis) => axis in x.shape)) {
    return reshape(
      x,
      order.map((axis) => dim(x.shape, axis)),
    );
  }
  return applyOne(ops.permute, { x }, { order });
}

/** Axes `a` and `b` exchanged; negative ones count from the end. */
export function transpose(x: Tensor, a: number, b: number): Tensor {
  const rank = x.shape.length;
  const first = normalizeAxis(a, rank, 'transpose');
  const second = normalizeAxis(b, rank, 'transpose');
  const order = x.shape.map((_, axis) => (axis === first ? second : axis === second ? first : axis));
  return permute(x, order);
}

/** Elements `begin` to `end` (exclusive; default the last) of one axis. Negative numbers count from the end. */
export function slice(x: Tensor, axis: number, begin: number, end?: number): Tensor {
  const at = normalizeAxis(axis, x.shape.length, 'slice');
  const size = dim(x.shape, at);
  const from = begin < 0 ? begin + size : begin;
  const to = end === undefined ? size : end < 0 ? end + size : end;
  return from === 0 && to === size ? x : applyOne(ops.slice, { x }, { axis: at, begin: from, end: to });
}

/** Tensors one after another along `axis`. */
export function concat(parts: readonly Tensor[], axis: number): Tensor {
  const [first] = parts;
  if (!first) throw new InputError('concat: the list is empty; expected one tensor or more.');
  const at = normalizeAxis(axis, first.shape.length, 'concat');
  let level = parts;
  while (level.length > 1) {
    const joined: Tensor[] = [];
    for (let i = 0; i < level.length; i += ops.CONCAT_INPUTS.length) {
      joined.push(concatFew(level.slice(i, i + ops.CONCAT_INPUTS.length), at));
    }
    level = joined;
  }
  return level[0] ?? first;
}

function concatFew(parts: readonly Tensor[], axis: number): Tensor {
  const [only] = parts;
  if (only && parts.length === 1) return only;
  return applyOne(ops.concat, Object.fromEntries(parts.map((part, i) => [`x${i}`, part])), { axis });
}

/** x as another dtype; x itself where it has it already. */
export const cast = (x: Tensor, dtype: DType): Tensor =>
  x.dtype === dtype ? x : applyOne(ops.cast, { x }, { dtype });

/** The values of x in a buffer of their own. */
export const copy = (x: Tensor): Tensor => applyOne(ops.cast, { x }, { dtype: x.dtype });
