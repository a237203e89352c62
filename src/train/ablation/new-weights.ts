import type { Shape } from '../../core/shape.ts';
import { Graph } from '../../graph/graph.ts';
import { bindParameters, type Precision } from '../../models/parameters.ts';
import { fanInInit, randomTensors, type TensorInit } from '../../weights/random-tensors.ts';
import type { TensorIndex } from '../../weights/safetensors.ts';
import { weightScope } from '../../weights/weight-scope.ts';
import type { BuildLoss } from '../training-graph.ts';
import type { LossName } from './architecture.ts';

const F32: Precision = { weights: 'f32', activations: 'f32', kvCache: 'f32' };

/** Shapes of all weights that a loss asks for, by name. */
export function weightShapes(build: BuildLoss): ReadonlyMap<string, Shape> {
  const { missing, ...root } = weightScope(new Map(), 'ablation');
  const graph = new Graph();
  build(graph, bindParameters(graph, root, F32));
  return missing;
}

/** The weights of a loss: those of `loaded`, and new ones by a seed for what is not there. */
export function initialWeights(
  build: BuildLoss,
  loaded: TensorIndex,
  loss: LossName,
  seed: number,
): TensorIndex {
  const shapes = weightShapes(build);
  const missing = [...shapes].filter(([name]) => !loaded.has(name));
  const made = randomTensors(new Map(missing), seed, (name, shape) => initOf(name, shape, loss));
  const used = [...loaded].filter(([name]) => shapes.has(name));
  return new Map([...used, ...made]);
}

/** Scale and bias begin as in CLIP (section 2.5) and SigLIP (section 3.2). */
function initOf(name: string, shape: Shape, loss: LossName): TensorInit {
  if (name === 'logit_scale')
    return { kind: 'constant', value: Math.log(loss === 'sigmoid' ? 10 : 1 / 0.07) };
  if (name === 'logit_bias') return { kind: 'constant', value: -10 };
  if (/(position|class)_embedding|embed_tokens/.test(name)) return { kind: 'normal', std: 0.1 };
  return fanInInit(name, shape);
}
