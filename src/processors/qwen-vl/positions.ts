import type { VisionInfo } from '../../models/model.ts';
import { ofKind } from '../placeholders.ts';
import type { ProcessedMedium, PromptPositions } from '../processor.ts';

/** Features that stand in a row: slices of time, rows, columns. */
export interface PositionGrid {
  readonly slices: number;
  readonly rows: number;
  readonly columns: number;
  /** Place on the time axis of each slice, from the grid's beginning. */
  readonly timeOf: (slice: number) => number;
}

/**
 * Where text goes on behind a video: `5x` at its beginning plus its longer side, `4x` at the largest position so far plus
 * one. They agree unless time runs further than space.
 */
export type MropeRule = '5x' | '4x';

export const MROPE_RULES: readonly MropeRule[] = ['5x', '4x'];

/**
 * Positions along time, height and width: text counts on along all three, a grid spreads out from where it begins.
 * `gridsOf` says how the tokens of a medium stand together.
 * Reference: get_rope_index of Qwen2VLModel in transformers 5.23, and in 4.46 for the rule `4x`.
 */
export function mropePositions(
  tokenIds: readonly number[],
  media: readonly ProcessedMedium[],
  vision: VisionInfo,
  rule: MropeRule,
  gridsOf: (medium: ProcessedMedium) => readonly PositionGrid[],
): PromptPositions {
  const axes = [0, 1, 2].map(() => new Int32Array(tokenIds.length));
  const queueOf = (kind: ProcessedMedium['kind']) => ofKind(media, kind).flatMap(gridsOf)[Symbol.iterator]();
  const queues = new Map([
    [vision.imageTokenId, queueOf('image')],
    [vision.videoTokenId ?? vision.imageTokenId, queueOf('video')],
  ]);
  let next = 0;
  let largest = -1;
  const place = (token: number, ...position: readonly number[]): void => {
    axes.forEach((axis, i) => {
      axis[token] = position[i] ?? 0;
    });
    largest = Math.max(largest, ...position);
  };
  for (let token = 0; token < tokenIds.length; ) {
    const grid = queues.get(tokenIds[token] ?? -1)?.next().value;
    if (!grid) {
      place(token++, next, next, next);
      next++;
      continue;
    }
    const { slices, rows, columns, timeOf } = grid;
    const size = rows * columns;
    for (let i = 0; i < slices * size && token < tokenIds.length; i++, token++) {
      const inSlice = i % size;
      const time = timeOf(Math.floor(i / size));
      place(token, next + time, next + Math.floor(inSlice / columns), next + (inSlice % columns));
    }
    next = rule === '5x' ? next + Math.max(rows, columns) : largest + 1;
  }
  return { axes, next: largest + 1 };
}
