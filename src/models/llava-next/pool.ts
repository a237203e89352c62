import { dim } from '../../core/shape.ts';
import { conv2d } from '../../graph/conv2d.ts';
import { permute, reshape, slice } from '../../graph/movement.ts';
import { avgPool2d } from '../../graph/pooling.ts';
import { reduceMax } from '../../graph/reduce.ts';
import type { Tensor } from '../../graph/tensor.ts';
import type { Parameters } from '../parameters.ts';
import type { VideoPooling } from './config.ts';

/** Rows and columns of a frame's features after pooling; what is left over at the bottom and right is dropped. */
export const pooledSide = (side: number, { spatialPoolStride }: VideoPooling): number =>
  Math.floor(side / spatialPoolStride);

/**
 * Squares of a frame's features as one, before the projector: by mean, maximum or a learned convolution.
 * Reference: LlavaNextVideoPooler in transformers. features [side², C] → [pooled², C]
 */
export function poolFrame(features: Tensor, pooling: VideoPooling, w: Parameters): Tensor {
  const { spatialPoolMode: mode, spatialPoolStride: stride } = pooling;
  const [P, C] = [dim(features.shape, 0), dim(features.shape, 1)];
  const side = Math.sqrt(P);
  const pooled = pooledSide(side, pooling);
  const T = pooled ** 2;
  if (mode === 'max') return reshape(maxima(reshape(features, [side, side, C]), pooled, stride), [T, C]);
  const map = reshape(permute(features, [1, 0]), [1, C, side, side]);
  const small =
    mode === 'average'
      ? avgPool2d(map, { kernel: [stride, stride] })
      : conv2d(map, w.get('pool.weight', [C, C, stride, stride]), { stride, bias: w.get('pool.bias', [C]) });
  return permute(reshape(small, [C, T]), [1, 0]); // small is [1, C, pooled, pooled]
}

/** Maximum of each square. [side, side, C] → [pooled, pooled, C] */
function maxima(map: Tensor, pooled: number, stride: number): Tensor {
  const whole = slice(slice(map, 0, 0, pooled * stride), 1, 0, pooled * stride);
  return reduceMax(reshape(whole, [pooled, stride, pooled, stride, dim(map.shape, 2)]), [1, 3]);
}
