import type { DualEncoder, LearnedNumber } from '../models/dual-encoder.ts';
import { readTensor } from '../weights/read-tensor.ts';
import type { WeightScope } from '../weights/weight-scope.ts';
import type { LogitParameters } from './scores.ts';

/** The checkpoint's scale and bias. Asks for them at once, so that the root's `finish` reports a missing one. */
export function logitParameterReader(
  { logitScale, logitBias }: DualEncoder,
  weights: WeightScope,
): () => Promise<LogitParameters> {
  const read = ({ name, shape }: LearnedNumber): (() => Promise<number>) => {
    const { entry } = weights.get(name, shape);
    return async () => (await readTensor(entry, 'f32'))[0] ?? Number.NaN;
  };
  const scale = read(logitScale);
  const bias = logitBias ? read(logitBias) : async () => 0;
  return async () => ({ logitScale: await scale(), logitBias: await bias() });
}
