import { isFloat } from '../core/dtype.ts';
import { ShapeError } from '../core/errors.ts';
import { dim, elementCount, formatShape } from '../core/shape.ts';
import { defineOp, type Reference, required } from './op.ts';

/**
 * y = exp(x - max) / sum(exp(x - max)) along the last axis.
 * x [..., cols] → y same shape and dtype. A row of -inf only gives zeros.
 */
export const softmax = defineOp<Record<never, never>>({
  name: 'softmax',
  inputs: ['x'],
  infer(inputs, _attrs, where) {
    const x = required(inputs, 'x', where);
    if (!isFloat(x.dtype) || x.shape.length === 0) {
      throw new ShapeError(
        `${where}: x is ${x.dtype} ${formatShape(x.shape)}; expected a float tensor of rank 1 or more.`,
      );
    }
    return { y: x };
  },
});

export const softmaxReference: Reference = (inputs) => {
  const x = required(inputs, 'x', 'softmax');
  const cols = dim(x.shape, -1);
  const y = new Float64Array(elementCount(x.shape));
  for (let start = 0; start < y.length; start += cols) {
    const row = x.data.subarray(start, start + cols);
    const max = row.reduce((m, v) => Math.max(m, v), Number.NEGATIVE_INFINITY);
    if (max === Number.NEGATIVE_INFINITY) continue;
    const sum = row.reduce((s, v) => s + Math.exp(v - max), 0);
    row.forEach((v, c) => {
      y[start + c] = Math.exp(v - max) / sum;
    });
  }
  return { y };
};
