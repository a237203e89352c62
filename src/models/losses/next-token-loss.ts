import { embedding } from '../../graph/embedding.ts';
import { linear } from '../../graph/linear.ts';
import { logSumExp } from '../../graph/log-sum-exp.ts';
import { div, equal, mul, sub, where } from '../../graph/math.ts';
import { cast, reshape, slice } from '../../graph/movement.ts';
import { reduceSum } from '../../graph/reduce.ts';
import type { Tensor } from '../../graph/tensor.ts';
import { mapBlocks, stack, sumAll } from './blocks.ts';

export interface VocabularyLossOptions {
  /** Rows with this label do not count; default -100, as in torch. */
  readonly ignoreIndex?: number | undefined;
  /** Columns of logits in memory at once; default as many as make 4 MiB. */
  readonly columnsPerBlock?: number | undefined;
}

/**
 * Mean of -log softmax(x headᵀ)[label] over the rows that count, without the logits as a whole: the vocabulary is walked
 * in blocks, log Σ exp taken of each block and then of those, and once more for the gradients.
 * x [N, C], head [V, C], labels [N] i32 → [] f32. NaN where no row counts, as in torch.
 */
export function vocabularyLoss(
  x: Tensor,
  head: Tensor,
  labels: Tensor,
  { ignoreIndex = -100, columnsPerBlock }: VocabularyLossOptions = {},
): Tensor {
  const [N = 1] = x.shape;
  const [V = 1] = head.shape;
  return x.graph.scope('vocabularyLoss', () => {
    const ofBlocks = mapBlocks(x.graph, { count: V, width: N, size: columnsPerBlock }, (begin, end) =>
      logSumExp(linear(x, slice(head, 0, begin, end)), 1),
    );
    const logSums = logSumExp(stack(ofBlocks), 0); // [N]
    const ofLabels = reduceSum(mul(x, embedding(labels, head, { dtype: 'f32' })), -1); // [N]: z of each label
    const isIgnored = equal(cast(labels, 'f32'), ignoreIndex); // [N]
    const total = sumAll(where(isIgnored, 0, sub(logSums, ofLabels)));
    return div(total, sumAll(where(isIgnored, 0, 1)));
  });
}

/**
 * How badly each token foretells the next: hidden state s against label s + 1, so that `labels` are the ids themselves,
 * with `ignoreIndex` where nothing is to be learned (prompt, pictures, padding).
 * hidden [B, S, C], head [V, C], labels [B, S] i32 → [] f32
 */
export function nextTokenLoss(
  hidden: Tensor,
  head: Tensor,
  labels: Tensor,
  options: VocabularyLossOptions = {},
): Tensor {
  const [B = 1, S = 1, C = 1] = hidden.shape;
  const states = reshape(slice(hidden, 1, 0, S - 1), [B * (S - 1), C]);
  const next = reshape(slice(labels, 1, 1), [B * (S - 1)]);
  return vocabularyLoss(states, head, next, options);
}
