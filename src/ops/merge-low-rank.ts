import { ShapeError } from '../core/errors.ts';
import { dim, formatShape } from '../core/shape.ts';
import { readWeightFormat, WEIGHT_FORMAT_BYTES, type WeightFormat } from './convert-weight.ts';
import { defineOp, type Reference, required } from './op.ts';

export type MergeLowRankAttrs = {
  readonly from: WeightFormat;
  /** Whole rows in `words`. */
  readonly rows: number;
  /** Row of `left` that the first one meets. */
  readonly firstRow: number;
};

/**
 * y = W + left right, for rows W of a checkpoint: an adapter merged into a weight. words [n] u32: W's raw
 * little-endian bytes, padded to whole words. left [N, R], right [R, K] f32 → y [rows, K] f32.
 */
export const mergeLowRank = defineOp<MergeLowRankAttrs>({
  name: 'mergeLowRank',
  inputs: ['words', 'left', 'right'],
  infer(inputs, { from, rows, firstRow }, where) {
    const words = required(inputs, 'words', where);
    const left = required(inputs, 'left', where);
    const right = required(inputs, 'right', where);
    const [total = 0, rank] = left.shape;
    const columns = dim(right.shape, -1);
    const needed = Math.ceil((rows * columns * WEIGHT_FORMAT_BYTES[from]) / 4);
    const fits = left.shape.length === 2 && right.shape.length === 2 && right.shape[0] === rank;
    if (words.dtype !== 'u32' || dim(words.shape, 0) < needed || !fits || firstRow + rows > total) {
      throw new ShapeError(
        `${where}: rows ${firstRow} to ${firstRow + rows} of left ${formatShape(left.shape)} times right ` +
          `${formatShape(right.shape)}, on words ${words.dtype} ${formatShape(words.shape)}; expected left [N, R], ` +
          `right [R, K] and ${needed} u32 words.`,
      );
    }
    return { y: { dtype: 'f32', shape: [rows, columns] } };
  },
});

export const mergeLowRankReference: Reference<MergeLowRankAttrs> = (inputs, { from, rows, firstRow }) => {
  const { data: words } = required(inputs, 'words', 'mergeLowRank');
  const left = required(inputs, 'left', 'mergeLowRank');
  const right = required(inputs, 'right', 'mergeLowRank');
  const [rank, columns] = [dim(right.shape, 0), dim(right.shape, 1)];
  const y = readWeightFormat(from, words, rows * columns);
  for (let i = 0; i < y.length; i++) {
    const column = i % columns;
    const row = firstRow + (i - column) / columns;
    let sum = y[i] ?? 0;
    for (let r = 0; r < rank; r++)
      sum += (left.data[row * rank + r] ?? 0) * (right.data[r * columns + column] ?? 0);
    y[i] = sum;
  }
  return { y };
};
