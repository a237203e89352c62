import { dim } from '../../core/shape.ts';
import { conv2d } from '../../graph/conv2d.ts';
import { linear } from '../../graph/linear.ts';
import { activation, add, mul, sigmoid } from '../../graph/math.ts';
import { reshape, transpose } from '../../graph/movement.ts';
import { layerNorm } from '../../graph/norm.ts';
import { reduceMean } from '../../graph/reduce.ts';
import type { Tensor } from '../../graph/tensor.ts';
import type { Size2d } from '../../ops/feature-map.ts';
import type { Parameters } from '../parameters.ts';

// Maps are kept as rows of channels [B, H * W, C]: a 1×1 convolution is a `linear` there, a norm over channels a
// `layerNorm`, and only the 3×3 convolution needs them as maps.

export interface RegStageConfig {
  /** Blocks. */
  readonly depth: number;
  readonly inChannels: number;
  readonly outChannels: number;
  /** Height and width of the map. */
  readonly grid: Size2d;
}

/** timm's default of LayerNormAct2d, which a LayerNorm2d turns into within a block. */
const NORM_EPS = 1e-5;
/** Width of the squeeze in squeeze-and-excitation, by that of the block's input. */
const SQUEEZE_RATIO = 0.25;

/**
 * ResNet blocks of RegNet Y (Radosavovic et al. 2020, arXiv 2003.13678, section 5; squeeze-and-excitation: Hu et al.
 * 2017, arXiv 1709.01507, section 3) with layer norm and SiLU. Reference: RegStage in timm, with stride 1 and a group
 * per channel. Weights: `b1`, `b2` and so on. x [B, H * W, inChannels] → [B, H * W, outChannels]
 */
export function regStage(x: Tensor, config: RegStageConfig, w: Parameters): Tensor {
  let y = x;
  for (let block = 1; block <= config.depth; block++) y = bottleneck(y, config, w.scope(`b${block}`));
  return y;
}

/** x [B, H * W, Cin] → [B, H * W, C] */
function bottleneck(x: Tensor, { outChannels: C, grid }: RegStageConfig, w: Parameters): Tensor {
  const inChannels = dim(x.shape, -1);
  const narrow = silu(convNorm(x, C, w.scope('conv1')));
  const mixed = silu(norm(depthwise(narrow, grid, w.scope('conv2')), w.scope('conv2')));
  const excited = squeezeExcite(mixed, roundHalfToEven(inChannels * SQUEEZE_RATIO), w.scope('se'));
  const wide = convNorm(excited, C, w.scope('conv3'));
  return silu(add(wide, inChannels === C ? x : convNorm(x, C, w.scope('downsample'))));
}

/** Channels scaled by what all places together say. x [B, H * W, C] → [B, H * W, C] */
function squeezeExcite(x: Tensor, squeezed: number, w: Parameters): Tensor {
  const C = dim(x.shape, -1);
  const mean = reduceMean(x, 1, { keepDims: true }); // [B, 1, C]
  const fc1 = silu(conv1x1(mean, squeezed, w.scope('fc1'), w.get('fc1.bias', [squeezed])));
  const fc2 = conv1x1(fc1, C, w.scope('fc2'), w.get('fc2.bias', [C]));
  return mul(x, sigmoid(fc2));
}

/** Each channel's map by its own 3×3 kernel. x [B, H * W, C] → [B, H * W, C] */
function depthwise(x: Tensor, grid: Size2d, w: Parameters): Tensor {
  const C = dim(x.shape, -1);
  return toRows(conv2d(toMap(x, grid), w.get('conv.weight', [C, 1, 3, 3]), { padding: 1, groups: C }));
}

const convNorm = (x: Tensor, channels: number, w: Parameters): Tensor =>
  norm(conv1x1(x, channels, w.scope('conv')), w);

/** x [..., Cin] → [..., channels] */
function conv1x1(x: Tensor, channels: number, w: Parameters, bias?: Tensor): Tensor {
  const inChannels = dim(x.shape, -1);
  const kernel = w.get('weight', [channels, inChannels, 1, 1]);
  return linear(x, reshape(kernel, [channels, inChannels]), { bias });
}

function norm(x: Tensor, w: Parameters): Tensor {
  const C = dim(x.shape, -1);
  return layerNorm(x, w.get('bn.weight', [C]), w.get('bn.bias', [C]), NORM_EPS);
}

/** [B, H * W, C] → [B, C, H, W] */
export function toMap(x: Tensor, [height, width]: Size2d): Tensor {
  const [B, C] = [dim(x.shape, 0), dim(x.shape, 2)];
  return reshape(transpose(x, 1, 2), [B, C, height, width]);
}

/** [B, C, H, W] → [B, H * W, C] */
export function toRows(map: Tensor): Tensor {
  const [B, C, H, W] = [dim(map.shape, 0), dim(map.shape, 1), dim(map.shape, 2), dim(map.shape, 3)];
  return transpose(reshape(map, [B, C, H * W]), 1, 2);
}

const silu = (x: Tensor): Tensor => activation(x, 'silu');

/** Python's `round`, by which timm sizes the squeeze. */
function roundHalfToEven(x: number): number {
  const nearest = Math.round(x);
  return Math.abs(x % 1) === 0.5 && nearest % 2 !== 0 ? nearest - 1 : nearest;
}
