import { isFloat } from '../core/dtype.ts';
import { ShapeError } from '../core/errors.ts';
import { dim, elementCount, formatShape, type Shape } from '../core/shape.ts';
import { broadcastIndex } from './broadcast-index.ts';
import { defineOp, type Reference, required } from './op.ts';

export type Reduction = 'sum' | 'mean' | 'max';

export type ReduceAttrs = {
  readonly kind: Reduction;
  /** First axis reduced and the one after the last. */
  readonly begin: number;
  readonly end: number;
  /** Whether the reduced axes stay, with size 1. */
  readonly keepDims: boolean;
};

/** Sum, mean or maximum over neighbouring axes. x [..., reduced, ...] → y without them. Accumulates in f32. */
export const reduce = defineOp<ReduceAttrs>({
  name: 'reduce',
  inputs: ['x'],
  infer(inputs, { begin, end, keepDims }, where) {
    const x = required(inputs, 'x', where);
    if (!isFloat(x.dtype) || !(begin >= 0 && begin < end && end <= x.shape.length)) {
      throw new ShapeError(
        `${where}: axes ${begin} to ${end} of x ${x.dtype} ${formatShape(x.shape)}; expected floats and axes of x.`,
      );
    }
    return { y: { dtype: x.dtype, shape: reducedShape(x.shape, begin, end, keepDims) } };
  },
});

export const reduceReference: Reference<ReduceAttrs> = (inputs, { kind, begin, end }) => {
  const x = required(inputs, 'x', 'reduce');
  const kept = reducedShape(x.shape, begin, end, true);
  const y = new Float64Array(elementCount(kept)).fill(kind === 'max' ? Number.NEGATIVE_INFINITY : 0);
  const target = broadcastIndex(kept, x.shape);
  x.data.forEach((value, i) => {
    const at = target(i);
    const so = y[at] ?? Number.NaN;
    y[at] = kind === 'max' ? Math.max(so, value) : so + value;
  });
  return { y: kind === 'mean' ? y.map((sum) => sum / (x.data.length / y.length)) : y };
};

const reducedShape = (shape: Shape, begin: number, end: number, keepDims: boolean): Shape =>
  shape.flatMap((size, axis) => (axis < begin || axis >= end ? [size] : keepDims ? [1] : []));

/** x seen as [outer, length, inner], of which the middle is reduced. */
export const reducedView = (shape: Shape, { begin, end }: ReduceAttrs) => ({
  outer: elementCount(shape.slice(0, begin)),
  length: elementCount(shape.slice(begin, end)),
  inner: elementCount(shape.slice(end)),
});

/** Place of the first largest value along the last axis, as torch. x [..., n] → y [...] u32. */
export const argmax = defineOp<Record<never, never>>({
  name: 'argmax',
  inputs: ['x'],
  infer(inputs, _attrs, where) {
    const x = required(inputs, 'x', where);
    if (!isFloat(x.dtype) || x.shape.length === 0) {
      throw new ShapeError(
        `${where}: x is ${x.dtype} ${formatShape(x.shape)}; expected a float tensor of rank 1 or more.`,
      );
    }
    return { y: { dtype: 'u32', shape: x.shape.slice(0, -1) } };
  },
});

export const argmaxReference: Reference = (inputs) => {
  const x = required(inputs, 'x', 'argmax');
  const cols = dim(x.shape, -1);
  const y = new Float64Array(x.data.length / cols).map((_, row) => {
    const values = x.data.subarray(row * cols, (row + 1) * cols);
    return values.indexOf(values.reduce((max, value) => Math.max(max, value), Number.NEGATIVE_INFINITY));
  });
  return { y };
};
