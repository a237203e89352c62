import { dequantizeRows, quantizeRows } from '../core/block-quantize.ts';
import { BLOCK_SIZE, isPacked } from '../core/dtype.ts';
import { invariant, ShapeError } from '../core/errors.ts';
import { dim, formatShape } from '../core/shape.ts';
import { readWeightFormat, WEIGHT_FORMAT_BYTES, type WeightFormat } from './convert-weight.ts';
import { defineOp, type Reference, required } from './op.ts';

export type QuantizeWeightAttrs = {
  readonly from: WeightFormat;
  /** Whole rows in `words`. */
  readonly rows: number;
  /** Row of `weight` that the first goes to. */
  readonly firstRow: number;
};

/** Blocks that share a word of scales. */
export const BLOCKS_PER_PAIR = 2;

/**
 * Writes rows of a checkpoint into `weight` from `firstRow` on, in blocks with a scale each; the rest of it keeps its
 * values. words [n] u32: the raw little-endian bytes, padded to whole words. weight [N, K] q8|q4, updated in place.
 * errors [rows, pairs of blocks, 2] f32: the sum of squared errors, and of squared values, for each 64 elements.
 */
export const quantizeWeight = defineOp<QuantizeWeightAttrs>({
  name: 'quantizeWeight',
  inputs: ['words', 'weight'],
  traits: { aliases: { weight: 'weight' }, writesAlias: true },
  infer(inputs, { from, rows, firstRow }, where) {
    const words = required(inputs, 'words', where);
    const weight = required(inputs, 'weight', where);
    const [total = 0, columns = 0] = weight.shape;
    const needed = Math.ceil((rows * columns * WEIGHT_FORMAT_BYTES[from]) / 4);
    if (
      words.dtype !== 'u32' ||
      !isPacked(weight.dtype) ||
      weight.shape.length !== 2 ||
      dim(words.shape, 0) < needed ||
      firstRow + rows > total
    ) {
      throw new ShapeError(
        `${where}: ${rows} rows of ${from} in words ${words.dtype} ${formatShape(words.shape)} to row ${firstRow} of ` +
          `weight ${weight.dtype} ${formatShape(weight.shape)}; expected ${needed} u32 words and a packed matrix ` +
          'with room for them.',
      );
    }
    const pairs = Math.ceil(columns / (BLOCKS_PER_PAIR * BLOCK_SIZE));
    return { weight, errors: { dtype: 'f32', shape: [rows, pairs, 2] } };
  },
});

export const quantizeWeightReference: Reference<QuantizeWeightAttrs> = (inputs, { from, rows, firstRow }) => {
  const { data: words } = required(inputs, 'words', 'quantizeWeight');
  const { dtype, shape, data } = required(inputs, 'weight', 'quantizeWeight');
  invariant(isPacked(dtype), `weight is ${dtype}`);
  const columns = dim(shape, 1);
  const values = readWeightFormat(from, words, rows * columns);
  const rounded = dequantizeRows(quantizeRows(values, columns, dtype), columns, dtype);
  const weight = Float64Array.from(data);
  weight.set(rounded, firstRow * columns);
  return { weight, errors: squaredErrors(values, rounded, columns) };
};

function squaredErrors(values: Float64Array, rounded: Float64Array, columns: number): Float64Array {
  const pairs = Math.ceil(columns / (BLOCKS_PER_PAIR * BLOCK_SIZE));
  const errors = new Float64Array((values.length / columns) * pairs * 2);
  values.forEach((value, i) => {
    const column = i % columns;
    const at = 2 * (((i - column) / columns) * pairs + Math.floor(column / (BLOCKS_PER_PAIR * BLOCK_SIZE)));
    errors[at] = (errors[at] ?? 0) + (value - (rounded[i] ?? 0)) ** 2;
    errors[at + 1] = (errors[at + 1] ?? 0) + value ** 2;
  });
  return errors;
}
