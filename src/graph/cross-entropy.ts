import { dim } from '../core/shape.ts';
import { add, div, equal, neg, scale, where } from './math.ts';
import { cast, reshape } from './movement.ts';
import { logSoftmax, reduceMean, reduceSum } from './reduce.ts';
import type { Tensor } from './tensor.ts';

export interface CrossEntropyOptions {
  /** Rows with this label do not count; default -100, as in torch. */
  readonly ignoreIndex?: number;
  /** Share of the target that is spread evenly over all classes (Szegedy et al. 2016); default 0. */
  readonly labelSmoothing?: number;
}

/**
 * Mean of -log softmax(logits)[label] over the rows that count; NaN where none does, as in torch.
 * logits [N, V], labels [N] i32 → [] f32.
 */
export function crossEntropy(
  logits: Tensor,
  labels: Tensor,
  { ignoreIndex = -100, labelSmoothing = 0 }: CrossEntropyOptions = {},
): Tensor {
  const [rows, classes] = [dim(logits.shape, 0), dim(logits.shape, 1)];
  const indices = Float32Array.from({ length: classes }, (_, i) => i);
  const classIds = logits.graph.constant(`classIds.${classes}`, indices, [classes]);
  const labelIds = cast(labels, 'f32');
  const isLabel = equal(classIds, reshape(labelIds, [rows, 1])); // [N, V]
  const isIgnored = equal(labelIds, ignoreIndex); // [N]

  const logProbabilities = logSoftmax(cast(logits, 'f32')); // [N, V]
  const ofLabel = reduceSum(where(isLabel, logProbabilities, 0), -1); // [N]
  const ofTarget =
    labelSmoothing === 0
      ? ofLabel
      : add(scale(ofLabel, 1 - labelSmoothing), scale(reduceMean(logProbabilities, -1), labelSmoothing));
  const rowCount = reduceSum(where(isIgnored, 0, 1), 0);
  return neg(div(reduceSum(where(isIgnored, 0, ofTarget), 0), rowCount));
}
