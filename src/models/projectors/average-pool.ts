import { ShapeError } from '../../core/errors.ts';
import { dim, formatShape } from '../../core/shape.ts';
import { matmul } from '../../graph/matmul.ts';
import { reshape, transpose } from '../../graph/movement.ts';
import { rmsNorm } from '../../graph/norm.ts';
import { avgPool2d } from '../../graph/pooling.ts';
import type { Tensor } from '../../graph/tensor.ts';
import type { Parameters } from '../parameters.ts';

export interface AveragePoolConfig {
  /** Width of the patches. */
  readonly visionHiddenSize: number;
  /** Width of the decoder. */
  readonly textHiddenSize: number;
  /** Image tokens, a square number. */
  readonly numTokens: number;
  readonly normEps: number;
}

/**
 * Means over squares of neighbouring patches, a norm that scales by 1 + weight, and a matrix that is stored as
 * [input, output] (Gemma 3, Gemma Team 2025, arXiv 2503.19786, section 2.1). Patches that fill no square, at the right and
 * at the bottom, are dropped.
 * Reference: Gemma3MultiModalProjector in transformers. Weights: `mm_soft_emb_norm`, `mm_input_projection_weight`.
 * features [B, P, Cv], row by row → [B, T, C]. Throws ShapeError where there are not as many whole squares as tokens.
 */
export function averagePoolProjector(features: Tensor, config: AveragePoolConfig, w: Parameters): Tensor {
  const { visionHiddenSize: Cv, textHiddenSize: C, numTokens: T, normEps } = config;
  const [B, P] = [dim(features.shape, 0), dim(features.shape, 1)];
  const [side, tokensPerSide] = [Math.sqrt(P), Math.sqrt(T)];
  const kernel = Math.floor(side / tokensPerSide);
  if (!Number.isInteger(side) || Math.floor(side / kernel) !== tokensPerSide) {
    throw new ShapeError(
      `averagePoolProjector: features ${formatShape(features.shape)} are ${P} patches for ${T} tokens; expected ` +
        'two square numbers, and whole squares of patches, as many as there are tokens.',
    );
  }
  const map = reshape(transpose(features, 1, 2), [B, Cv, side, side]);
  const pooled = avgPool2d(map, { kernel: [kernel, kernel] }); // [B, Cv, √T, √T]
  const tokens = transpose(reshape(pooled, [B, Cv, T]), 1, 2); // [B, T, Cv]
  const normed = rmsNorm(tokens, w.get('mm_soft_emb_norm.weight', [Cv]), normEps, { offset: 1 });
  return matmul(normed, w.get('mm_input_projection_weight', [Cv, C])); // [B, T, C]
}
