import { linear } from '../../graph/linear.ts';
import type { Tensor } from '../../graph/tensor.ts';
import type { Activation } from '../../ops/activation.ts';
import type { Parameters } from '../parameters.ts';

export interface MlpProjectorConfig {
  /** Width of the patches. */
  readonly visionHiddenSize: number;
  /** Width of the decoder, and of what is between the layers. */
  readonly textHiddenSize: number;
  /** Layers; LLaVA 1.5 has two. */
  readonly depth: number;
  readonly hiddenAct: Activation;
  readonly bias: boolean;
}

/**
 * Layers with an activation between them (LLaVA 1.5, Liu et al. 2023, arXiv 2310.03744, section 3.2). Reference:
 * LlavaMultiModalProjector in transformers. Weights: `linear_1`, `linear_2` and so on.
 * features [..., P, Cv] → [..., P, C]
 */
export function mlpProjector(features: Tensor, config: MlpProjectorConfig, w: Parameters): Tensor {
  const { visionHiddenSize: Cv, textHiddenSize: C, depth, hiddenAct, bias } = config;
  let x = features;
  for (let layer = 1; layer <= depth; layer++) {
    x = linear(x, w.get(`linear_${layer}.weight`, [C, layer === 1 ? Cv : C]), {
      bias: bias ? w.get(`linear_${layer}.bias`, [C]) : undefined,
      activation: layer < depth ? hiddenAct : undefined,
    });
  }
  return x;
}
