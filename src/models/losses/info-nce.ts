import { linear } from '../../graph/linear.ts';
import { logSumExp } from '../../graph/log-sum-exp.ts';
import { add, exp, min, mul, scale, sub } from '../../graph/math.ts';
import { reshape, slice } from '../../graph/movement.ts';
import type { Tensor } from '../../graph/tensor.ts';
import { mapBlocks, stack, sum, sumAll } from './blocks.ts';

/** Unit vectors of N pairs, and the learned logarithm of the factor on their cosines. */
export interface ContrastiveBatch {
  /** [N, E] */
  readonly image: Tensor;
  /** [N, E] */
  readonly text: Tensor;
  /** [] or [1] f32. */
  readonly logScale: Tensor;
}

export interface ContrastiveLossOptions {
  /** Rows of logits in memory at once; default as many as make 4 MiB. */
  readonly rowsPerBlock?: number | undefined;
}

export interface InfoNceOptions extends ContrastiveLossOptions {
  /** `symmetric` (the default) is the mean of both ways; `imageToText` looks for the text of each picture alone. */
  readonly direction?: 'symmetric' | 'imageToText';
}

/** The largest logarithm of the factor: 100, as CLIP clips it (Radford et al. 2021, arXiv 2103.00020, section 2.5). */
export const MAX_LOG_SCALE: number = Math.log(100);

/**
 * InfoNCE (van den Oord et al. 2018, arXiv 1807.03748, equation 4), both ways as in CLIP (figure 3):
 *
 *     z = exp(logScale) image textᵀ,   loss = mean_i (log Σ_j exp z_ij - z_ii), and the same of zᵀ
 *
 * z is made a block of rows at a time and, for the gradients, once more, so that memory grows with N and not with N².
 * → [] f32
 */
export function infoNce(
  { image, text, logScale }: ContrastiveBatch,
  { direction = 'symmetric', rowsPerBlock }: InfoNceOptions = {},
): Tensor {
  const [N = 1] = image.shape;
  return image.graph.scope('infoNce', () => {
    const scaled = scaleRows(image, logScale); // [N, E]
    const diagonal = sumAll(mul(scaled, text)); // Σ z_ii
    const blocks = mapBlocks(image.graph, { count: N, width: N, size: rowsPerBlock }, (begin, end) => {
      const z = linear(slice(scaled, 0, begin, end), text); // [R, N]
      const ofRows = sumAll(logSumExp(z, 1)); // Σ_i log Σ_j
      return { ofRows, ofColumns: direction === 'symmetric' ? [logSumExp(z, 0)] : [] }; // [N]
    });
    const rows = sub(sum(blocks.map(({ ofRows }) => ofRows)), diagonal);
    if (direction === 'imageToText') return scale(rows, 1 / N);
    const columns = sumAll(logSumExp(stack(blocks.flatMap(({ ofColumns }) => ofColumns)), 0)); // Σ_j log Σ_i
    return scale(add(rows, sub(columns, diagonal)), 0.5 / N);
  });
}

/** exp(min(logScale, log 100)) x: one factor on N x E values instead of N x N. */
export function scaleRows(x: Tensor, logScale: Tensor): Tensor {
  const limit = x.graph.constant('maxLogScale', Float32Array.of(MAX_LOG_SCALE), [1]);
  return mul(x, exp(min(reshape(logScale, [1]), limit)));
}
