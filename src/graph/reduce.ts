import { normalizeAxis } from '../core/shape.ts';
import { argmax as argmaxOp, type Reduction, reduce } from '../ops/reduce.ts';
import { applyOne } from './apply.ts';
import { exp, log, mul, rsqrt, square, sub } from './math.ts';
import { reshape } from './movement.ts';
import type { Tensor } from './tensor.ts';

/** The shape of what comes out. */
export interface ReduceOptions {
  /** Leaves the reduced axes in place with size 1; default false. */
  readonly keepDims?: boolean;
}

/** Sum over `axes` (negative ones count from the end). */
export const reduceSum = (x: Tensor, axes: number | readonly number[], options?: ReduceOptions): Tensor =>
  reduceAxes('sum', x, axes, options);

/** Mean over `axes` (negative ones count from the end). */
export const reduceMean = (x: Tensor, axes: number | readonly number[], options?: ReduceOptions): Tensor =>
  reduceAxes('mean', x, axes, options);

/** Largest value over `axes` (negative ones count from the end). */
export const reduceMax = (x: Tensor, axes: number | readonly number[], options?: ReduceOptions): Tensor =>
  reduceAxes('max', x, axes, options);

/** Place of the first largest value along the last axis. x [..., n] → [...] u32. */
export const argmax = (x: Tensor): Tensor => applyOne(argmaxOp, { x }, {});

/** log(softmax(x)) along the last axis. x [..., cols] → same. */
export function logSoftmax(x: Tensor): Tensor {
  const shifted = sub(x, reduceMax(x, -1, { keepDims: true }));
  return sub(shifted, log(reduceSum(exp(shifted), -1, { keepDims: true })));
}

/** x / ‖x‖ along the last axis. x [..., cols] → same. */
export const l2Normalize = (x: Tensor): Tensor => mul(x, rsqrt(reduceSum(square(x), -1, { keepDims: true })));

function reduceAxes(
  kind: Reduction,
  x: Tensor,
  axes: number | readonly number[],
  { keepDims = false }: ReduceOptions = {},
): Tensor {
  const rank = x.shape.length;
  const list = [axes].flat().map((axis) => normalizeAxis(axis, rank, `reduce ${kind}`));
  const sorted = [...new Set(list)].sort((a, b) => a - b);
  // One kernel reduces neighbouring axes; each further run of them is another, over what is left.
  const kept = runsOf(sorted).reduce(
    (partial, [begin, end]) => applyOne(reduce, { x: partial }, { kind, begin, end, keepDims: true }),
    x,
  );
  return keepDims
    ? kept
    : reshape(
        kept,
        x.shape.filter((_, axis) => !sorted.includes(axis)),
      );
}

/** Neighbouring axes as ranges, the last first: its reduction reads x along rows. */
function runsOf(sorted: readonly number[]): (readonly [begin: number, end: number])[] {
  const runs: [number, number][] = [];
  for (const axis of sorted) {
    const last = runs.at(-1);
    if (last && last[1] === axis) last[1] = axis + 1;
    else runs.push([axis, axis + 1]);
  }
  return runs.reverse();
}
