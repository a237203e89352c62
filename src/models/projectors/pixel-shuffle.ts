import { linear } from '../../graph/linear.ts';
import { pixelShuffle } from '../../graph/pixel-shuffle.ts';
import type { Tensor } from '../../graph/tensor.ts';
import type { Parameters } from '../parameters.ts';

export interface PixelShuffleConfig {
  /** Width of the patches. */
  readonly visionHiddenSize: number;
  /** Width of the decoder. */
  readonly textHiddenSize: number;
  /** Patches joined along each side. */
  readonly scaleFactor: number;
}

/**
 * Neighbouring patches joined along the channels, then one matrix (Idefics 3, Laurençon et al. 2024,
 * arXiv 2408.12637, section 3; SmolVLM, Marafioti et al. 2025, arXiv 2504.05299, section 2.2).
 * Reference: SmolVLMConnector in transformers. Weights: `modality_projection.proj.weight`.
 * features [B, P, Cv], row by row → [B, P / scaleFactor², C]
 */
export function pixelShuffleProjector(features: Tensor, config: PixelShuffleConfig, w: Parameters): Tensor {
  const { visionHiddenSize: Cv, textHiddenSize: C, scaleFactor } = config;
  const joined = pixelShuffle(features, scaleFactor).named('connector.pixel_shuffle'); // [B, T, Cv * scaleFactor²]
  return linear(joined, w.get('modality_projection.proj.weight', [C, Cv * scaleFactor ** 2]));
}
