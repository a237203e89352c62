import { ShapeError } from '../../core/errors.ts';
import { dim, formatShape } from '../../core/shape.ts';
import { linear } from '../../graph/linear.ts';
import { reshape } from '../../graph/movement.ts';
import { layerNorm, rmsNorm } from '../../graph/norm.ts';
import type { Tensor } from '../../graph/tensor.ts';
import type { Parameters } from '../parameters.ts';

export interface PatchMergerConfig {
  /** Width of the patches. */
  readonly hiddenSize: number;
  /** Width of the decoder. */
  readonly outHiddenSize: number;
  /** Patches joined along each side. */
  readonly spatialMergeSize: number;
  /** `layer` has a weight and a bias, `rms` a weight alone. */
  readonly norm: 'layer' | 'rms';
  readonly normEps: number;
  /** Whether each patch is normed by itself, or all that were joined as one. */
  readonly normOf: 'patch' | 'joined';
  readonly names: PatchMergerNames;
}

/** What a checkpoint calls the norm and the two layers. */
export interface PatchMergerNames {
  readonly norm: string;
  readonly fc1: string;
  readonly fc2: string;
}

/** Names in Qwen2-VL and Qwen2.5-VL. */
export const SEQUENTIAL_MERGER: PatchMergerNames = { norm: 'ln_q', fc1: 'mlp.0', fc2: 'mlp.2' };
/** Names in Qwen3-VL. */
export const NAMED_MERGER: PatchMergerNames = { norm: 'norm', fc1: 'linear_fc1', fc2: 'linear_fc2' };

/**
 * A norm, spatialMergeSize² neighbouring patches joined along the channels, and two layers with a GELU between
 * (Qwen2-VL, Wang et al. 2024, arXiv 2409.12191, section 2.1). References in transformers: PatchMerger of Qwen2-VL,
 * Qwen2_5_VLPatchMerger, Qwen3VLVisionPatchMerger (whose deepstack mergers norm what was joined).
 * features [..., P, Cv], neighbours next to each other → [..., P / spatialMergeSize², C]. Throws ShapeError where
 * they do not divide P.
 */
export function patchMerger(features: Tensor, config: PatchMergerConfig, w: Parameters): Tensor {
  const { outHiddenSize: C, spatialMergeSize, normOf, names } = config;
  const joinedSize = config.hiddenSize * spatialMergeSize ** 2;
  const P = dim(features.shape, -2);
  const T = P / spatialMergeSize ** 2;
  if (!Number.isInteger(T)) {
    throw new ShapeError(
      `patchMerger: features ${formatShape(features.shape)} are ${P} patches; expected a multiple of ` +
        `${spatialMergeSize ** 2}, which are joined to one.`,
    );
  }
  const join = (x: Tensor): Tensor => reshape(x, [...x.shape.slice(0, -2), T, joinedSize]);
  const joined =
    normOf === 'patch'
      ? join(norm(features, config.hiddenSize, config, w))
      : norm(join(features), joinedSize, config, w); // [..., T, joinedSize]
  const hidden = linear(joined, w.get(`${names.fc1}.weight`, [joinedSize, joinedSize]), {
    bias: w.get(`${names.fc1}.bias`, [joinedSize]),
    activation: 'gelu',
  });
  return linear(hidden, w.get(`${names.fc2}.weight`, [C, joinedSize]), {
    bias: w.get(`${names.fc2}.bias`, [C]),
  });
}

function norm(x: Tensor, width: number, { norm, normEps, names }: PatchMergerConfig, w: Parameters): Tensor {
  const weight = w.get(`${names.norm}.weight`, [width]);
  if (norm === 'rms') return rmsNorm(x, weight, normEps);
  return layerNorm(x, weight, w.get(`${names.norm}.bias`, [width]), normEps);
}
