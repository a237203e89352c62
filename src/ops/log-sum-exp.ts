import { isFloat } from '../core/dtype.ts';
import { ShapeError } from '../core/errors.ts';
import { formatShape } from '../core/shape.ts';
import { defineOp, type Reference, required } from './op.ts';
import { reducedView } from './reduce.ts';

export type LogSumExpAttrs = { readonly axis: number };

/**
 * y = log Σ exp(x) along one axis, its maximum taken out so that nothing overflows. x [..., n, ...] of finite values
 * → y without that axis, f32.
 */
export const logSumExp = defineOp<LogSumExpAttrs>({
  name: 'logSumExp',
  inputs: ['x'],
  infer(inputs, { axis }, where) {
    const x = required(inputs, 'x', where);
    if (!isFloat(x.dtype) || !(axis in x.shape)) {
      throw new ShapeError(
        `${where}: axis ${axis} of x ${x.dtype} ${formatShape(x.shape)}; expected floats and an axis of x.`,
      );
    }
    return { y: { dtype: 'f32', shape: x.shape.toSpliced(axis, 1) } };
  },
});

export const logSumExpReference: Reference<LogSumExpAttrs> = (inputs, attrs) => {
  const x = required(inputs, 'x', 'logSumExp');
  const { outer, length, inner } = axisView(x.shape, attrs);
  const y = new Float64Array(outer * inner).map((_, i) => {
    const first = Math.floor(i / inner) * length * inner + (i % inner);
    const values = Array.from({ length }, (_, at) => x.data[first + at * inner] ?? Number.NaN);
    const max = values.reduce((most, value) => Math.max(most, value), Number.NEGATIVE_INFINITY);
    return max + Math.log(values.reduce((sum, value) => sum + Math.exp(value - max), 0));
  });
  return { y };
};

/** x seen as [outer, length, inner], of which the middle is summed up. */
export const axisView = (shape: readonly number[], { axis }: LogSumExpAttrs) =>
  reducedView(shape, { kind: 'sum', begin: axis, end: axis + 1, keepDims: false });
