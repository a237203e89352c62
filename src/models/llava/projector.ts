import type { Tensor } from '../../graph/tensor.ts';
import type { Parameters } from '../parameters.ts';
import { linearProjector } from '../projectors/linear.ts';
import { mlpProjector } from '../projectors/mlp.ts';
import type { LlavaParts } from './config.ts';
import { featureWidth } from './tower.ts';

/** LLaVA 1.5's two layers, which its descendants kept: into the decoder's width. features [P, Cv] → [P, C] */
export const llavaProjector = (features: Tensor, config: LlavaParts, w: Parameters): Tensor =>
  mlpProjector(features, { ...sizesOf(config), depth: 2, hiddenAct: config.projectorHiddenAct }, w);

/** LLaVA 1's one layer. features [P, Cv] → [P, C] */
export const linearLlavaProjector = (features: Tensor, config: LlavaParts, w: Parameters): Tensor =>
  linearProjector(features, sizesOf(config), w);

const sizesOf = ({ tower, text, projectorBias }: LlavaParts) => ({
  visionHiddenSize: featureWidth(tower),
  textHiddenSize: text.hiddenSize,
  bias: projectorBias,
});
