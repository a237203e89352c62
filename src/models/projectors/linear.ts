import type { Tensor } from '../../graph/tensor.ts';
import { biasedLinear } from '../blocks/biased-linear.ts';
import type { Parameters } from '../parameters.ts';

export interface LinearProjectorConfig {
  /** Width of the patches. */
  readonly visionHiddenSize: number;
  /** Width of the decoder. */
  readonly textHiddenSize: number;
  readonly bias: boolean;
}

/**
 * One matrix (LLaVA, Liu et al. 2023, arXiv 2304.08485, section 4.1). Weights: `linear_1`.
 * features [..., P, Cv] → [..., P, C]
 */
export const linearProjector = (features: Tensor, config: LinearProjectorConfig, w: Parameters): Tensor =>
  biasedLinear(features, w, 'linear_1', [config.textHiddenSize, config.visionHiddenSize], config.bias);
