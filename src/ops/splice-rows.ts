import { isFloat } from '../core/dtype.ts';
import { ShapeError } from '../core/errors.ts';
import { dim, formatShape, sameShape } from '../core/shape.ts';
import { defineOp, type Reference, required } from './op.ts';

/**
 * Puts rows in place of some positions: y[b, s] = index[b, s] < 0 ? x[b, s] : rows[index[b, s]]. It is how image
 * features take the place of image tokens (`masked_scatter`).
 * x [B, S, C], rows [N, C], index [B, S] i32 with values below N → y like x.
 */
export const spliceRows = defineOp<Record<never, never>>({
  name: 'spliceRows',
  inputs: ['x', 'rows', 'index'],
  infer(inputs, _attrs, where) {
    const x = required(inputs, 'x', where);
    const rows = required(inputs, 'rows', where);
    const index = required(inputs, 'index', where);
    const fits =
      rows.shape.length === 2 &&
      x.shape.at(-1) === rows.shape[1] &&
      sameShape(x.shape.slice(0, -1), index.shape);
    if (!fits || !isFloat(x.dtype) || !isFloat(rows.dtype) || index.dtype !== 'i32') {
      throw new ShapeError(
        `${where}: x is ${x.dtype} ${formatShape(x.shape)}, rows ${rows.dtype} ${formatShape(rows.shape)}, ` +
          `index ${index.dtype} ${formatShape(index.shape)}; expected floats [..., C], [N, C] and i32 [...].`,
      );
    }
    return { y: { dtype: x.dtype, shape: x.shape } };
  },
});

export const spliceRowsReference: Reference = (inputs) => {
  const x = required(inputs, 'x', 'spliceRows');
  const rows = required(inputs, 'rows', 'spliceRows');
  const channels = dim(x.shape, -1);
  const y = Float64Array.from(x.data);
  required(inputs, 'index', 'spliceRows').data.forEach((row, position) => {
    if (row >= 0) y.set(rows.data.subarray(row * channels, (row + 1) * channels), position * channels);
  });
  return { y };
};
