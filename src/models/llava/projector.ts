import { linear } from '../../graph/linear.ts';
import type { Tensor } from '../../graph/tensor.ts';
import type { Parameters } from '../parameters.ts';
import type { LlavaConfig } from './config.ts';

/**
 * Visual features into the decoder's width: one linear layer (LLaVA, Liu et al. 2023, arXiv 2304.08485) or two with
 * an activation between (LLaVA 1.5, arXiv 2310.03744). Reference: LlavaMultiModalProjector in transformers.
 * features [P, Cv] → [P, C]
 */
export function llavaProjector(features: Tensor, config: LlavaConfig, w: Parameters): Tensor {
  const C = config.text.hiddenSize;
  const width = config.vision.hiddenSize * config.visionFeatureLayers.length;
  const bias = (name: string) => (config.projectorBias ? { bias: w.get(`${name}.bias`, [C]) } : {});
  const first = w.get('linear_1.weight', [C, width]);
  if (config.projector === 'linear') return linear(features, first, bias('linear_1'));
  const hidden = linear(features, first, { ...bias('linear_1'), activation: config.projectorHiddenAct });
  return linear(hidden, w.get('linear_2.weight', [C, C]), bias('linear_2'));
}
