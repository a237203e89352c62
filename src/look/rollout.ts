import { InputError } from '../core/errors.ts';
import { formatShape } from '../core/shape.ts';
import type { CapturedTensor } from '../generate/captured.ts';

/** What stands for the residual connections, and of which tile. */
export interface RolloutOptions {
  /** Share of each layer's attention that stands for the residual connection; the paper's, and the default, is 0.5. */
  readonly residual?: number;
  /** Tile of a picture that is seen in several; default the first. */
  readonly tile?: number;
}

/**
 * Attention rollout (Abnar and Zuidema 2020, arXiv 2005.00928, equation 1): how much of each input token reaches the
 * tokens that `weights` [S] stand for, through all of `layers` [tiles, H, S, S], the first first. Heads are averaged, and
 * half of every row is the token itself, for the residual connection. → [S], adding up to what `weights` do.
 * Throws InputError for layers of unlike sizes.
 */
export function attentionRollout(
  layers: readonly CapturedTensor[],
  weights: ArrayLike<number>,
  { residual = 0.5, tile = 0 }: RolloutOptions = {},
): Float32Array {
  const S = weights.length;
  let flow = Float64Array.from(weights);
  // From the last layer down: a row vector times each matrix, never a product of two matrices.
  for (const { shape, values } of layers.toReversed()) {
    const [tiles = 0, H = 0] = shape;
    if (shape[2] !== S || shape[3] !== S || tile >= tiles) {
      throw new InputError(
        `rollout: a layer's attention is ${formatShape(shape)}; expected [${tile + 1} or more, heads, ${S}, ${S}], of every token to every token.`,
      );
    }
    const below = flow.map((value) => value * residual);
    for (let h = 0; h < H; h++) {
      for (let i = 0; i < S; i++) {
        const weight = ((flow[i] ?? 0) * (1 - residual)) / H;
        if (weight === 0) continue;
        const begin = ((tile * H + h) * S + i) * S;
        for (let j = 0; j < S; j++) below[j] = (below[j] ?? 0) + weight * (values[begin + j] ?? Number.NaN);
      }
    }
    flow = below;
  }
  return Float32Array.from(flow);
}
