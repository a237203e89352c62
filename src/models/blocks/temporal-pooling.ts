import { ShapeError } from '../../core/errors.ts';
import { dim, formatShape } from '../../core/shape.ts';
import { add, div, exp, max, mul, scale, sub } from '../../graph/math.ts';
import { concat, copy, reshape, slice, transpose } from '../../graph/movement.ts';
import { reduceMax, reduceMean, reduceSum } from '../../graph/reduce.ts';
import { softmax } from '../../graph/softmax.ts';
import type { Tensor } from '../../graph/tensor.ts';

export const TEMPORAL_POOLINGS = ['mean', 'max', 'stride', 'attention'] as const;

/** How the features of neighbouring frames become those of one, token by token. */
export interface TemporalPooling {
  /**
   * `mean` (Video-ChatGPT, Maaz et al. 2023, arXiv 2306.05424, section 3.1), `max`, `stride` (the first frame of each
   * window, the others are dropped), or `attention`: a softmax over the window's frames of their features' products
   * with a query, which is the window's first frame unless a checkpoint learned one.
   */
  readonly kind: (typeof TEMPORAL_POOLINGS)[number];
  /** Frames that become one. A last window may be shorter. */
  readonly window: number;
}

/** Frames that are left of `frames`. */
export const pooledFrames = (frames: number, { window }: TemporalPooling): number =>
  Math.ceil(frames / window);

/**
 * Pools whole windows. features [F, T, C] → [pooledFrames, T, C]. `query` [T, C] or [C] is a learned one, for
 * `attention`. Throws ShapeError for a window that is not a positive whole number.
 */
export function poolFrames(features: Tensor, { kind, window }: TemporalPooling, query?: Tensor): Tensor {
  const [frames = 0, T = 0, C = 0] = features.shape;
  if (features.shape.length !== 3 || !Number.isInteger(window) || window < 1) {
    throw new ShapeError(
      `poolFrames: features are ${formatShape(features.shape)}, the window is ${window}; expected [frames, tokens, width] and a positive whole number.`,
    );
  }
  const whole = Math.floor(frames / window);
  const parts = [
    { begin: 0, count: whole, size: window },
    { begin: whole * window, count: 1, size: frames % window },
  ].filter(({ count, size }) => count > 0 && size > 0);
  const pooled = parts.map(({ begin, count, size }) => {
    const windows = reshape(slice(features, 0, begin, begin + count * size), [count, size, T, C]);
    return poolWindows(windows, kind, query);
  });
  return concat(pooled, 0);
}

/** windows [W, K, T, C] → [W, T, C] */
function poolWindows(windows: Tensor, kind: TemporalPooling['kind'], query: Tensor | undefined): Tensor {
  const [W = 0, K = 0, T = 0, C = 0] = windows.shape;
  const firsts = slice(windows, 1, 0, 1); // [W, 1, T, C]
  switch (kind) {
    case 'mean':
      return reduceMean(windows, 1);
    case 'max':
      return reduceMax(windows, 1);
    case 'stride':
      return reshape(firsts, [W, T, C]);
    case 'attention': {
      const scores = frameScores(windows, query ?? firsts); // [W, K, T, 1]
      const weights = softmax(transpose(reshape(scores, [W, K, T]), 1, 2)); // [W, T, K]
      return reduceSum(mul(windows, reshape(transpose(weights, 1, 2), [W, K, T, 1])), 1);
    }
  }
}

/** query · frame / √C for each token. frames [..., T, C] → [..., T, 1] */
const frameScores = (frames: Tensor, query: Tensor): Tensor =>
  scale(reduceSum(mul(frames, query), -1, { keepDims: true }), 1 / Math.sqrt(dim(frames.shape, -1)));

/** What streaming keeps of a window. `mean` and `max` have `pooled` alone. */
export interface PoolingState {
  /** Of the frames so far, [T, C]. */
  readonly pooled: Tensor;
  /** The window's first frame, [T, C]. */
  readonly query?: Tensor | undefined;
  /** Largest score so far, and the sum of e^(score - peak), [T, 1] each. */
  readonly peak?: Tensor | undefined;
  readonly total?: Tensor | undefined;
}

/**
 * One frame more of a window, so that a window of any length is pooled in the memory of two frames. Begin a window
 * with `pooled` and `query` as its first frame's features, `peak` very low and `total` 0; `count` [1], for `mean`, counts the
 * frames from 1 on, this one included. `stride` needs no arithmetic and is not taken. Throws ShapeError where what the
 * kind needs is missing.
 * Softmax as it goes: Milakov & Gimelshein 2018, arXiv 1805.02867, algorithm 3.
 */
export function poolNextFrame(
  frame: Tensor,
  kind: Exclude<TemporalPooling['kind'], 'stride'>,
  { pooled, query, peak, total }: PoolingState,
  count?: Tensor,
): PoolingState {
  if (kind === 'max') return { pooled: max(pooled, frame) };
  if (kind === 'mean') {
    if (!count) throw new ShapeError('poolNextFrame: mean lacks its count of frames; expected one number.');
    return { pooled: add(pooled, div(sub(frame, pooled), count)) };
  }
  if (!query || !peak || !total) {
    throw new ShapeError('poolNextFrame: attention lacks its query, peak or total; expected all of them.');
  }
  const score = frameScores(frame, query); // [T, 1]
  const newPeak = max(peak, score);
  const kept = mul(total, exp(sub(peak, newPeak)));
  const added = exp(sub(score, newPeak));
  const newTotal = add(kept, added);
  return {
    pooled: add(mul(pooled, div(kept, newTotal)), mul(frame, div(added, newTotal))),
    query: copy(query),
    peak: newPeak,
    total: newTotal,
  };
}
