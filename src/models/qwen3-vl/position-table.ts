import type { PatchGrid, PatchPlaces } from '../blocks/axial-rope.ts';

/** The neighbours of each patch in a square table of positions, and how much of each it takes. */
export interface TableTaps {
  /** One list per corner: rows of the table, [P]. */
  readonly indices: readonly Uint32Array[];
  /** One list per corner, [P]. */
  readonly weights: readonly Float32Array[];
}

/**
 * Bilinear interpolation of a `side` x `side` table to a grid, corners upon corners: rounded to f32 at each step.
 * Reference: get_vision_interpolation_indices_and_weights (align_corners) in transformers 5.23.
 */
export function tableTaps(side: number, [rows, columns]: PatchGrid, places: PatchPlaces): TableTaps {
  const byRow = Array.from({ length: rows }, (_, row) => axisTaps(row, rows, side));
  const byColumn = Array.from({ length: columns }, (_, column) => axisTaps(column, columns, side));
  // Of the two neighbours on each axis: the one before and the one after.
  const corners = [0, 1].flatMap((inRow) => [0, 1].map((inColumn) => ({ inRow, inColumn })));
  const tapsOf = (patch: number) => ({
    row: byRow[places.rows[patch] ?? 0] ?? { taps: [], weights: [] },
    column: byColumn[places.columns[patch] ?? 0] ?? { taps: [], weights: [] },
  });
  return {
    indices: corners.map(({ inRow, inColumn }) =>
      places.rows.map((_, patch) => {
        const { row, column } = tapsOf(patch);
        return (row.taps[inRow] ?? 0) * side + (column.taps[inColumn] ?? 0);
      }),
    ),
    weights: corners.map(({ inRow, inColumn }) =>
      Float32Array.from(places.rows, (_, patch) => {
        const { row, column } = tapsOf(patch);
        return (row.weights[inRow] ?? 0) * (column.weights[inColumn] ?? 0);
      }),
    ),
  };
}

interface AxisTaps {
  readonly taps: readonly number[];
  readonly weights: readonly number[];
}

/** Place `index` of `size` in a line of `side` entries: the two beside it, and how near it is to each. */
function axisTaps(index: number, size: number, side: number): AxisTaps {
  const at = Math.fround(Math.fround(index * (side - 1)) / Math.max(size - 1, 1));
  const before = Math.floor(at);
  const fraction = Math.fround(at - before);
  return {
    taps: [Math.min(before, side - 1), Math.min(before + 1, side - 1)],
    weights: [Math.fround(1 - fraction), Math.fround(1 - Math.abs(Math.fround(fraction - 1)))],
  };
}
