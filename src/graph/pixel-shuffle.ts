import { ShapeError } from '../core/errors.ts';
import { dim, formatShape } from '../core/shape.ts';
import { permute, reshape } from './movement.ts';
import type { Tensor } from './tensor.ts';

/**
 * Joins `factor` × `factor` neighbouring patches of a square picture along the channels, row by row, so that fewer
 * and wider tokens remain (Idefics3, SmolVLM). x [B, P, C] → [B, P / factor², C * factor²].
 * Throws ShapeError where the patches form no square that the factor divides.
 */
export function pixelShuffle(x: Tensor, factor: number): Tensor {
  const [batch, patches, channels] = [dim(x.shape, 0), dim(x.shape, 1), dim(x.shape, 2)];
  return reshape(blockOrder(x, factor), [batch, patches / factor ** 2, channels * factor ** 2]);
}

/**
 * The patches of a square picture, not row by row, but so that each `factor` × `factor` neighbours come one after another,
 * as Qwen-VL's processors order them. x [B, P, C] → like x. Throws ShapeError as `pixelShuffle` does.
 */
export function blockOrder(x: Tensor, factor: number): Tensor {
  const [batch, patches, channels] = [dim(x.shape, 0), dim(x.shape, 1), dim(x.shape, 2)];
  const side = Math.sqrt(patches);
  const cells = side / factor;
  if (!Number.isInteger(side) || !Number.isInteger(cells)) {
    throw new ShapeError(
      `pixelShuffle: x ${formatShape(x.shape)} has ${patches} patches; expected a square number whose root ` +
        `${factor} divides.`,
    );
  }
  const blocks = reshape(x, [batch, cells, factor, cells, factor, channels]);
  return reshape(permute(blocks, [0, 1, 3, 2, 4, 5]), [batch, patches, channels]);
}
