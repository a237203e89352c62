import { type FloatDType, isFloat, isPacked } from '../core/dtype.ts';
import { ShapeError } from '../core/errors.ts';
import { dim, elementCount, formatShape } from '../core/shape.ts';
import { defineOp, type Reference, required } from './op.ts';

export type EmbeddingAttrs = {
  readonly dtype: FloatDType;
  /** Row of the whole table that `weight` starts at; not 0 where a table is split over several bindings. */
  readonly rowOffset: number;
};

/**
 * y[..., c] = weight[ids[...] - rowOffset, c]; ids outside the rows of `weight` give zeros, so that the parts of a
 * split table add up to the gather from the whole. ids [...] i32|u32, weight [V, C] → y [..., C] of `dtype`.
 */
export const embedding = defineOp<EmbeddingAttrs>({
  name: 'embedding',
  inputs: ['ids', 'weight'],
  traits: { packable: ['weight'] },
  infer(inputs, { dtype }, where) {
    const ids = required(inputs, 'ids', where);
    const weight = required(inputs, 'weight', where);
    const readable = isFloat(weight.dtype) || isPacked(weight.dtype);
    if (isFloat(ids.dtype) || isPacked(ids.dtype) || !readable || weight.shape.length !== 2) {
      throw new ShapeError(
        `${where}: ids are ${ids.dtype} ${formatShape(ids.shape)}, weight ${weight.dtype} ` +
          `${formatShape(weight.shape)}; expected integer ids and a float or packed weight [V, C].`,
      );
    }
    return { y: { dtype, shape: [...ids.shape, dim(weight.shape, 1)] } };
  },
});

export const embeddingReference: Reference<EmbeddingAttrs> = (inputs, { rowOffset }) => {
  const ids = required(inputs, 'ids', 'embedding');
  const weight = required(inputs, 'weight', 'embedding');
  const channels = dim(weight.shape, 1);
  const y = new Float64Array(elementCount(ids.shape) * channels);
  ids.data.forEach((id, i) => {
    const row = id - rowOffset;
    if (row < 0 || row >= dim(weight.shape, 0)) return;
    y.set(weight.data.subarray(row * channels, (row + 1) * channels), i * channels);
  });
  return { y };
};
