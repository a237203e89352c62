import { invariant } from '../../core/errors.ts';
import type { Graph } from '../../graph/graph.ts';
import { add } from '../../graph/math.ts';
import { concat, reshape } from '../../graph/movement.ts';
import { recomputed } from '../../graph/recomputed.ts';
import { reduceSum } from '../../graph/reduce.ts';
import type { Tensor } from '../../graph/tensor.ts';

/** Values of logits that lie in memory at once where the caller does not say: 4 MiB in f32. */
const BLOCK_ELEMENTS = 2 ** 20;

export interface Blocks {
  /** Rows in all. */
  readonly count: number;
  /** Values of a row. */
  readonly width: number;
  /** Rows of a block; default as many as make 4 MiB. */
  readonly size: number | undefined;
}

/**
 * What `build` makes of each run of rows. Where there are several, the gradients compute each run again, so that one of
 * them is in memory at a time.
 */
export function mapBlocks<T>(
  graph: Graph,
  { count, width, size }: Blocks,
  build: (begin: number, end: number) => T,
): readonly T[] {
  const step = Math.min(count, size ?? Math.max(1, Math.floor(BLOCK_ELEMENTS / width)));
  invariant(Number.isInteger(step) && step > 0, `a block of ${step} rows`);
  if (step === count) return [build(0, count)];
  return Array.from({ length: Math.ceil(count / step) }, (_, i) =>
    recomputed(graph, i, () => build(i * step, Math.min((i + 1) * step, count))),
  );
}

/** Tensors of one shape one above the other: [...] each → [parts, ...]. */
export const stack = (parts: readonly Tensor[]): Tensor =>
  concat(
    parts.map((part) => reshape(part, [1, ...part.shape])),
    0,
  );

/** Sum of all values, rows first, so that each kernel has many rows to share out. x [...] → [] */
export const sumAll = (x: Tensor): Tensor => (x.shape.length === 0 ? x : sumAll(reduceSum(x, -1)));

export const sum = (terms: readonly Tensor[]): Tensor => terms.reduce(add);
