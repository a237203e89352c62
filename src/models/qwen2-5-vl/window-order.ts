import type { PatchGrid } from '../blocks/axial-rope.ts';

/** The order in which a tower with windows takes its tokens. */
export interface WindowOrder {
  /** Merged patches, each by its number in the order without windows. */
  readonly order: Uint32Array;
  /** Place of each merged patch in `order`. */
  readonly inverse: Uint32Array;
  /** First and last merged patch of the window of each, by places in `order`, [T, 2]. */
  readonly spans: Uint32Array;
}

/**
 * Windows of `side` x `side` merged patches, row by row, those at the right and lower edge cut off by the picture.
 * Reference: get_vision_window_index in transformers 5.23.
 */
export function windowOrder([rows, columns]: PatchGrid, side: number): WindowOrder {
  const order: number[] = [];
  const spans: number[] = [];
  for (let top = 0; top < rows; top += side) {
    for (let left = 0; left < columns; left += side) {
      const height = Math.min(side, rows - top);
      const width = Math.min(side, columns - left);
      const first = order.length;
      for (let i = 0; i < height * width; i++) {
        order.push((top + Math.floor(i / width)) * columns + left + (i % width));
        spans.push(first, first + height * width);
      }
    }
  }
  const inverse = new Uint32Array(order.length);
  order.forEach((merged, place) => {
    inverse[merged] = place;
  });
  return { order: Uint32Array.from(order), inverse, spans: Uint32Array.from(spans) };
}
