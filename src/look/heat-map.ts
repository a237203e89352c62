import { InputError, invariant, UnsupportedError } from '../core/errors.ts';
import type { PromptMedium } from '../generate/read-prompt.ts';
import type { PictureArea } from '../image/visible-area.ts';
import type { TileLayout } from '../models/model.ts';

/** A number for each patch of a picture, row by row. */
export interface HeatMap {
  readonly rows: number;
  readonly columns: number;
  readonly values: Float32Array;
  /** The part of the picture that the patches cover. */
  readonly area: PictureArea;
}

/** How tokens lie on a tile. */
export interface PatchGrid {
  readonly rows: number;
  readonly columns: number;
  /** Tokens before those of the patches: a class token. */
  readonly skipped: number;
}

/**
 * The grid in which `count` tokens of a tile lie, be they patches or several patches joined. One token more than a grid
 * holds is a class token before them. Throws UnsupportedError where they make no grid of the tile's proportions.
 */
export function patchGrid(count: number, { shape, grid }: TileLayout): PatchGrid {
  const [tileRows = 1, tileColumns = 1] = grid ?? shape.slice(1);
  for (const skipped of grid ? [0] : [0, 1]) {
    const patches = count - skipped;
    const rows = Math.round(Math.sqrt((patches * tileRows) / tileColumns));
    const columns = patches / rows;
    if (rows > 0 && Math.abs(columns - (rows * tileColumns) / tileRows) < 1e-6)
      return { rows, columns, skipped };
  }
  throw new UnsupportedError(
    `look: ${count} tokens lie in no grid of the proportions ${tileRows}:${tileColumns}; expected one for each patch of the picture. This model's features can't be laid over it.`,
  );
}

/**
 * Numbers of a picture's image tokens, or of its tower's, in the order of both: a map for each tile.
 * Throws UnsupportedError for a video, and where it is not known what part of the picture a tile shows.
 */
export function tileMaps({ kind, layout, areas }: PromptMedium, values: Float32Array): HeatMap[] {
  const { tile, tiles } = layout;
  if (kind !== 'image' || !areas) {
    throw new UnsupportedError(
      `look: ${kind === 'image' ? `it is not known which part of the picture each of its ${tiles} tiles shows` : 'a video has no one picture to lay a map over'}; expected a picture that is seen as a whole.`,
    );
  }
  const perTile = values.length / tiles;
  invariant(areas.length === tiles, `${areas.length} areas of ${tiles} tiles`);
  const { rows, columns, skipped } = patchGrid(perTile, tile);
  return areas.map((area, i) => ({
    rows,
    columns,
    values: values.slice(i * perTile + skipped, (i + 1) * perTile),
    area,
  }));
}

/** Picks the picture of a prompt that a map is to be of. Throws InputError where it has none of that number. */
export function pictureOf(media: readonly PromptMedium[], picture: number): PromptMedium {
  const medium = media[picture];
  if (medium) return medium;
  throw new InputError(
    `look: picture ${picture} of ${media.length} was asked for; expected ${media.length === 0 ? 'a prompt with a picture' : `0 to ${media.length - 1}`}.`,
  );
}

/** A map's value at a point of the picture, in fractions of its width and height; null outside its area. */
export function valueAt({ rows, columns, values, area }: HeatMap, x: number, y: number): number | null {
  const [left, top, right, bottom] = area;
  const [u, v] = [(x - left) / (right - left), (y - top) / (bottom - top)];
  if (u < 0 || u > 1 || v < 0 || v > 1) return null;
  // Bilinear between the centres of patches; beyond the outermost, their value.
  const column = Math.min(Math.max(u * columns - 0.5, 0), columns - 1);
  const row = Math.min(Math.max(v * rows - 0.5, 0), rows - 1);
  const [c, r] = [Math.floor(column), Math.floor(row)];
  const at = (dr: number, dc: number): number =>
    values[Math.min(r + dr, rows - 1) * columns + Math.min(c + dc, columns - 1)] ?? Number.NaN;
  const [fc, fr] = [column - c, row - r];
  return (1 - fr) * ((1 - fc) * at(0, 0) + fc * at(0, 1)) + fr * ((1 - fc) * at(1, 0) + fc * at(1, 1));
}

/** Where a map is largest: the centre of that patch, in fractions of the picture. */
export function peakOf({ columns, rows, values, area }: HeatMap): readonly [x: number, y: number] {
  const at = values.indexOf(Math.max(...values));
  const [left, top, right, bottom] = area;
  return [
    left + (((at % columns) + 0.5) / columns) * (right - left),
    top + ((Math.floor(at / columns) + 0.5) / rows) * (bottom - top),
  ];
}
