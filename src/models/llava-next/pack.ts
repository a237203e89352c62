import { isFloat } from '../../core/dtype.ts';
import { invariant } from '../../core/errors.ts';
import { dim } from '../../core/shape.ts';
import { embedding } from '../../graph/embedding.ts';
import { interpolate } from '../../graph/interpolate.ts';
import { concat, permute, reshape, slice } from '../../graph/movement.ts';
import type { Tensor } from '../../graph/tensor.ts';
import type { Size2d } from '../../ops/feature-map.ts';
import type { Parameters } from '../parameters.ts';
import type { Packing } from './layout.ts';

/**
 * A picture's features in the order of its tokens: the whole picture's, then those of its tiles as one map without their
 * padding, row by row, a newline after each (LLaVA-NeXT, Liu et al. 2024).
 * Reference: pack_image_features in modeling_llava_next.py and modeling_llava_onevision.py of transformers.
 * features [tiles * side², C], the whole picture first → [tokens, C]
 */
export function packPicture(features: Tensor, packing: Packing, w: Parameters): Tensor {
  const { side, tileGrid, cut, size } = packing;
  const whole = slice(features, 0, 0, side ** 2); // [side², C]
  const [rows, columns] = size;
  if (rows === 0) return whole;
  const ends = newlines(features, rows, w); // [rows, C]
  if (columns === 0) return concat([whole, ends], 0);
  const map = joinTiles(slice(features, 0, side ** 2), tileGrid, side);
  const onPicture = slice(slice(map, 0, cut.top, cut.top + cut.size[0]), 1, cut.left, cut.left + cut.size[1]);
  const C = dim(features.shape, 1);
  const lines = concat([resizeMap(onPicture, size), reshape(ends, [rows, 1, C])], 1); // [rows, columns + 1, C]
  return concat([whole, reshape(lines, [rows * (columns + 1), C])], 0);
}

/** Tiles side by side. [tileRows * tileColumns * side², C] → [tileRows * side, tileColumns * side, C] */
function joinTiles(tiles: Tensor, [tileRows, tileColumns]: Size2d, side: number): Tensor {
  const C = dim(tiles.shape, 1);
  const blocks = reshape(tiles, [tileRows, tileColumns, side, side, C]);
  return reshape(permute(blocks, [0, 2, 1, 3, 4]), [tileRows * side, tileColumns * side, C]);
}

/** Bilinear resampling of a map. [rows, columns, C] → [...size, C] */
export function resizeMap(map: Tensor, size: Size2d): Tensor {
  const [rows, columns, C] = [dim(map.shape, 0), dim(map.shape, 1), dim(map.shape, 2)];
  if (rows === size[0] && columns === size[1]) return map;
  const channels = reshape(permute(map, [2, 0, 1]), [1, C, rows, columns]);
  const resized = interpolate(channels, { size, mode: 'bilinear' }); // [1, C, ...size]
  return permute(reshape(resized, [C, ...size]), [1, 2, 0]);
}

/** The learned vector that ends a row of features, `count` times. → [count, C], in the dtype of `like` [..., C] */
export function newlines({ graph, dtype, shape }: Tensor, count: number, w: Parameters): Tensor {
  invariant(isFloat(dtype), `features are ${dtype}`);
  const C = dim(shape, -1);
  const holder = w.has('image_newline') ? w : w.scope('model');
  // A gather of one row, since a parameter has no axis to broadcast.
  const rows = graph.constant(`newline_rows.${count}`, new Uint32Array(count), [count]);
  return embedding(rows, reshape(holder.get('image_newline', [C]), [1, C]), { dtype });
}
