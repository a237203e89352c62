import { linear } from '../../graph/linear.ts';
import { add, mul, scale, softplus, sub } from '../../graph/math.ts';
import { reshape, slice } from '../../graph/movement.ts';
import type { Tensor } from '../../graph/tensor.ts';
import { mapBlocks, sum, sumAll } from './blocks.ts';
import { type ContrastiveBatch, type ContrastiveLossOptions, scaleRows } from './info-nce.ts';

export interface SigmoidBatch extends ContrastiveBatch {
  /** Learned, added to each logit. [] or [1] f32. */
  readonly bias: Tensor;
}

/**
 * SigLIP's loss (Zhai et al. 2023, arXiv 2303.15343, equation 1): each pair by itself is one or is none,
 *
 *     z = exp(logScale) image textᵀ + bias,   loss = -1/N Σ_ij log σ(± z_ij) = 1/N (Σ_ij softplus z_ij - Σ_i z_ii)
 *
 * with + on the diagonal, since softplus(-z) = softplus(z) - z. In blocks of rows as `infoNce`. → [] f32
 */
export function sigmoidLoss(
  { image, text, logScale, bias }: SigmoidBatch,
  { rowsPerBlock }: ContrastiveLossOptions = {},
): Tensor {
  const [N = 1] = image.shape;
  return image.graph.scope('sigmoidLoss', () => {
    const offset = reshape(bias, [1]);
    const scaled = scaleRows(image, logScale); // [N, E]
    const diagonal = add(sumAll(mul(scaled, text)), scale(reshape(offset, []), N)); // Σ z_ii
    const totals = mapBlocks(image.graph, { count: N, width: N, size: rowsPerBlock }, (begin, end) => {
      const z = add(linear(slice(scaled, 0, begin, end), text), offset); // [R, N]
      return sumAll(softplus(z));
    });
    return scale(sub(sum(totals), diagonal), 1 / N);
  });
}
