import type { Tensor } from '../../graph/tensor.ts';
import type { Parameters } from '../parameters.ts';
import { linearProjector } from '../projectors/linear.ts';
import { mlpProjector } from '../projectors/mlp.ts';
import type { LlavaConfig } from './config.ts';

/**
 * Visual features into the decoder's width: one linear layer (LLaVA) or two with an activation between (LLaVA 1.5).
 * features [P, Cv] → [P, C]
 */
export function llavaProjector(features: Tensor, config: LlavaConfig, w: Parameters): Tensor {
  const sizes = {
    visionHiddenSize: config.vision.hiddenSize * config.visionFeatureLayers.length,
    textHiddenSize: config.text.hiddenSize,
    bias: config.projectorBias,
  };
  if (config.projector === 'linear') return linearProjector(features, sizes, w);
  return mlpProjector(features, { ...sizes, depth: 2, hiddenAct: config.projectorHiddenAct }, w);
}
