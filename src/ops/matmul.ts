import { isFloat } from '../core/dtype.ts';
import { ShapeError } from '../core/errors.ts';
import { broadcastShapes, dim, elementCount, formatShape, type Shape } from '../core/shape.ts';
import { defineOp, type Reference, required } from './op.ts';

/**
 * y = a b over the last two axes; the axes before them broadcast as in NumPy.
 * a [..., M, K], b [..., K, N] → y [..., M, N] of a's dtype.
 */
export const matmul = defineOp<Record<never, never>>({
  name: 'matmul',
  inputs: ['a', 'b'],
  infer(inputs, _attrs, where) {
    const a = required(inputs, 'a', where);
    const b = required(inputs, 'b', where);
    if (!isFloat(a.dtype) || !isFloat(b.dtype) || a.shape.length < 2 || b.shape.length < 2)
      throw new ShapeError(
        `${where}: a is ${a.dtype} ${formatShape(a.shape)} and b is ${b.dtype} ${formatShape(b.shape)}; expected float tensors of rank 2 or more.`,
      );
    const [inner, rows] = [dim(a.shape, -1), dim(b.shape, -2)];
    if (inner !== rows)
      throw new ShapeError(
        `${where}: a is ${formatShape(a.shape)}, b is ${formatShape(b.shape)}; inner sizes ${inner} and ${rows} differ. Expected a [..., M, K] and b [..., K, N].`,
      );
    const batch = broadcastShapes(a.shape.slice(0, -2), b.shape.slice(0, -2), where);
    return { y: { dtype: a.dtype, shape: [...batch, dim(a.shape, -2), dim(b.shape, -1)] } };
  },
});

export const matmulReference: Reference = (inputs) => {
  const a = required(inputs, 'a', 'matmul');
  const b = required(inputs, 'b', 'matmul');
  const batch = broadcastShapes(a.shape.slice(0, -2), b.shape.slice(0, -2), 'matmul');
  const [m, k, n] = [dim(a.shape, -2), dim(a.shape, -1), dim(b.shape, -1)];
  const y = new Float64Array(elementCount(batch) * m * n);
  for (let i = 0; i < y.length; i++) {
    const column = i % n;
    const row = Math.floor(i / n) % m;
    const matrix = Math.floor(i / (m * n));
    const aStart = (broadcastIndex(matrix, batch, a.shape.slice(0, -2)) * m + row) * k;
    const bStart = broadcastIndex(matrix, batch, b.shape.slice(0, -2)) * k * n + column;
    let sum = 0;
    for (let c = 0; c < k; c++) sum += (a.data[aStart + c] ?? 0) * (b.data[bStart + c * n] ?? 0);
    y[i] = sum;
  }
  return { y };
};

/** Row-major index in `shape` of the element that index `flat` of `batch` reads. */
function broadcastIndex(flat: number, batch: Shape, shape: Shape): number {
  let rest = flat;
  let index = 0;
  let stride = 1;
  for (let axis = 1; axis <= batch.length; axis++) {
    const size = batch.at(-axis) ?? 1;
    const own = shape.at(-axis) ?? 1;
    index += (own === 1 ? 0 : rest % size) * stride;
    stride *= own;
    rest = Math.floor(rest / size);
  }
  return index;
}
