import { invariant, UnsupportedError } from '../../core/errors.ts';
import { attentionGradients, attentionLogSumExp } from '../../graph/attention-gradients.ts';
import { mul } from '../../graph/math.ts';
import { reduceSum } from '../../graph/reduce.ts';
import { attention } from '../../ops/attention.ts';
import { defineGradient } from '../gradient.ts';

/**
 * The weights are computed again from queries, keys and the logarithm of each row's sum, so that no S × T matrix is
 * stored (FlashAttention-2, Dao 2023, arXiv 2307.08691, algorithm 2).
 */
export const attentionGradient = defineGradient(attention, (node, { y: dy }) => {
  const { q, k, v, past, span, mask } = node.inputs;
  const { y } = node.outputs;
  invariant(q && k && v && y && dy, 'attention has q, k, v and y');
  if (node.needs('mask')) {
    throw new UnsupportedError(
      'grad: the additive mask of attention has no gradient; expected a fixed mask.',
    );
  }
  const masks = { past, span, mask };
  const logSumExp = attentionLogSumExp(q, k, masks, node.attrs); // [B, S, H]
  const delta = reduceSum(mul(dy, y), -1); // [B, S, H]
  return attentionGradients({ q, k, v, dy, logSumExp, delta }, masks, node.attrs);
});
