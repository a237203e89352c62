import { PART_PREFIXES } from '../models/compose/compose-vlm.ts';
import type { Model } from '../models/model.ts';
import type { Precision } from '../models/parameters.ts';
import { randomTensors } from '../weights/random-tensors.ts';
import type { TensorIndex } from '../weights/safetensors.ts';
import { weightScope } from '../weights/weight-scope.ts';
import { wholeModelGraphs } from './graphs.ts';

export type PartName = keyof typeof PART_PREFIXES;

const F32: Precision = { weights: 'f32', activations: 'f32', kvCache: 'f32' };

/** New random weights for those `parts` of a composed model, by `fanInInit`. Throws InputError for a bad seed. */
export function newWeights(model: Model, parts: readonly PartName[], seed: number): TensorIndex {
  const { missing, ...nothing } = weightScope(new Map(), model.modelType);
  wholeModelGraphs(model, nothing, F32, 1);
  const isNew = ([name]: readonly [string, unknown]): boolean =>
    parts.some((part) => name.startsWith(`${PART_PREFIXES[part]}.`));
  return randomTensors(new Map([...missing].filter(isNew)), seed);
}
