import { isFloat } from '../core/dtype.ts';
import { ShapeError } from '../core/errors.ts';
import { dim, formatShape } from '../core/shape.ts';
import { defineOp, type Reference, required } from './op.ts';

/**
 * Cuts pictures into square patches, row by row, each flattened as a convolution weight [C, 3, P, P] is: channel,
 * then y, then x. So `linear` over the patches is the convolution with kernel = stride = P; what is left over at the
 * right and bottom is dropped, as there. x [B, channels, H, W] → y [B, (H/P) * (W/P), channels * P * P].
 */
export const patchify = defineOp<{ readonly patchSize: number }>({
  name: 'patchify',
  inputs: ['x'],
  infer(inputs, { patchSize }, where) {
    const x = required(inputs, 'x', where);
    const [batch = 0, channels = 0, height = 0, width = 0] = x.shape;
    if (
      x.shape.length !== 4 ||
      !isFloat(x.dtype) ||
      !Number.isInteger(patchSize) ||
      patchSize < 1 ||
      Math.min(height, width) < patchSize
    ) {
      throw new ShapeError(
        `${where}: x is ${x.dtype} ${formatShape(x.shape)}, patch size ${patchSize}; ` +
          'expected floats [B, channels, H, W] no smaller than a patch.',
      );
    }
    const patches = Math.floor(height / patchSize) * Math.floor(width / patchSize);
    return { y: { dtype: x.dtype, shape: [batch, patches, channels * patchSize ** 2] } };
  },
});

export const patchifyReference: Reference<{ readonly patchSize: number }> = (inputs, { patchSize }) => {
  const x = required(inputs, 'x', 'patchify');
  const [batch, channels, height, width] = [0, 1, 2, 3].map((axis) => dim(x.shape, axis)) as [
    number,
    number,
    number,
    number,
  ];
  const values: number[] = [];
  for (let b = 0; b < batch; b++)
    for (let top = 0; top + patchSize <= height; top += patchSize)
      for (let left = 0; left + patchSize <= width; left += patchSize)
        for (let c = 0; c < channels; c++)
          for (let py = 0; py < patchSize; py++)
            for (let px = 0; px < patchSize; px++)
              values.push(x.data[((b * channels + c) * height + top + py) * width + left + px] ?? Number.NaN);
  return { y: Float64Array.from(values) };
};
