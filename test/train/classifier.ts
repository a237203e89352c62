import { crossEntropy } from '../../src/graph/cross-entropy.ts';
import { linear } from '../../src/graph/linear.ts';
import type { BuildLoss } from '../../src/train/training-graph.ts';
import { randomTensors } from '../../src/weights/random-tensors.ts';
import type { TensorIndex } from '../../src/weights/safetensors.ts';
import { randomSource } from '../compile/random.ts';

/** A classifier of random points in two layers: the smallest model that has matrices and vectors to learn. */
export const SIZES = { points: 16, inputs: 6, hidden: 12, classes: 5 } as const;

export const classifier: BuildLoss = (graph, w) => {
  const { points, inputs, hidden, classes } = SIZES;
  const x = graph.input('x', [points, inputs], 'f32');
  const labels = graph.input('labels', [points], 'i32');
  const first = linear(x, w.get('first.weight', [hidden, inputs]), {
    bias: w.get('first.bias', [hidden]),
    activation: 'gelu',
  });
  const logits = linear(first, w.get('second.weight', [classes, hidden]), {
    bias: w.get('second.bias', [classes]),
  });
  return crossEntropy(logits, labels);
};

export const CLASSIFIER_WEIGHTS: TensorIndex = randomTensors(
  new Map([
    ['first.weight', [SIZES.hidden, SIZES.inputs]],
    ['first.bias', [SIZES.hidden]],
    ['second.weight', [SIZES.classes, SIZES.hidden]],
    ['second.bias', [SIZES.classes]],
  ]),
  7,
);

export function points(seed: number) {
  const random = randomSource(seed);
  return {
    x: Float32Array.from({ length: SIZES.points * SIZES.inputs }, () => 2 * random() - 1),
    labels: Int32Array.from({ length: SIZES.points }, () => Math.floor(random() * SIZES.classes)),
  };
}
