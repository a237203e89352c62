import { isFloat } from '../core/dtype.ts';
import { ShapeError } from '../core/errors.ts';
import { dim, formatShape, sameShape } from '../core/shape.ts';
import { defineOp, type Reference, required } from './op.ts';

export type ScatterAddAttrs = {
  /** Rows of the result. */
  readonly rows: number;
  /** Subtracted from each index. */
  readonly rowOffset: number;
};

/**
 * y[r] = sum of x[i] over all i with index[i] - rowOffset = r: the transpose of `embedding`. Indices that name no row
 * add to none. index [...] i32|u32, x [..., C] → y [rows, C] f32, added up in the order of x.
 */
export const scatterAdd = defineOp<ScatterAddAttrs>({
  name: 'scatterAdd',
  inputs: ['index', 'x'],
  infer(inputs, { rows }, where) {
    const index = required(inputs, 'index', where);
    const x = required(inputs, 'x', where);
    if (isFloat(index.dtype) || !isFloat(x.dtype) || !sameShape(x.shape.slice(0, -1), index.shape)) {
      throw new ShapeError(
        `${where}: index is ${index.dtype} ${formatShape(index.shape)}, x ${x.dtype} ${formatShape(x.shape)}; ` +
          'expected integers [...] and floats [..., C].',
      );
    }
    return { y: { dtype: 'f32', shape: [rows, dim(x.shape, -1)] } };
  },
});

export const scatterAddReference: Reference<ScatterAddAttrs> = (inputs, { rows, rowOffset }) => {
  const index = required(inputs, 'index', 'scatterAdd');
  const x = required(inputs, 'x', 'scatterAdd');
  const channels = dim(x.shape, -1);
  const y = new Float64Array(rows * channels);
  index.data.forEach((value, i) => {
    const row = value - rowOffset;
    if (row < 0 || row >= rows) return;
    for (let c = 0; c < channels; c++) {
      const at = row * channels + c;
      y[at] = (y[at] ?? 0) + (x.data[i * channels + c] ?? Number.NaN);
    }
  });
  return { y };
};
