import { ShapeError } from '../core/errors.ts';
import { dim, elementCount, formatShape } from '../core/shape.ts';
import { add, mul } from './math.ts';
import { permute, reshape } from './movement.ts';
import { layerNorm } from './norm.ts';
import type { Tensor } from './tensor.ts';

// Norms of feature maps [B, C, H, W] with a weight and a bias per channel, made of `layerNorm`.

/**
 * Group norm (Wu & He 2018): every `groups`-th part of the channels of each map by itself.
 * x [B, C, H, W], weight and bias [C] → like x. Throws ShapeError where the groups do not divide C.
 */
export function groupNorm(x: Tensor, weight: Tensor, bias: Tensor, groups: number, eps: number): Tensor {
  const [batch, channels] = [dim(x.shape, 0), dim(x.shape, 1)];
  if (channels % groups !== 0) {
    throw new ShapeError(
      `groupNorm: x ${formatShape(x.shape)} has ${channels} channels; expected a multiple of ${groups} groups.`,
    );
  }
  const size = elementCount(x.shape) / (batch * groups);
  const ones = x.graph.constant(`ones.${size}`, new Float32Array(size).fill(1), [size]);
  const normalized = layerNorm(reshape(x, [batch, groups, size]), ones, undefined, eps);
  const perChannel = [channels, 1, 1];
  return add(mul(reshape(normalized, x.shape), reshape(weight, perChannel)), reshape(bias, perChannel));
}

/** Instance norm (Ulyanov et al. 2016): every channel of each map by itself. Shapes as in `groupNorm`. */
export const instanceNorm = (x: Tensor, weight: Tensor, bias: Tensor, eps: number): Tensor =>
  groupNorm(x, weight, bias, dim(x.shape, 1), eps);

/** Layer norm over the channels at each place, as timm's LayerNorm2d. Shapes as in `groupNorm`. */
export const layerNorm2d = (x: Tensor, weight: Tensor, bias: Tensor, eps: number): Tensor =>
  permute(layerNorm(permute(x, [0, 2, 3, 1]), weight, bias, eps), [0, 3, 1, 2]);
