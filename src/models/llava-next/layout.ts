import { ConfigError } from '../../core/errors.ts';
import type { Size2d } from '../../ops/feature-map.ts';
import { type LlavaTower, patchesPerSide } from '../llava/tower.ts';
import type { VisionLayout } from '../model.ts';
import { bestResolution, shrunk, type Unpadded, unpadded } from './anyres.ts';

/** How the features of a picture's tiles become its tokens. Sizes are [rows, columns] of features. */
export interface Packing {
  /** Features along a side of a tile. */
  readonly side: number;
  readonly tileGrid: Size2d;
  /** What of the joined tiles lies on the picture. */
  readonly cut: Unpadded;
  /** What that is shrunk to. */
  readonly size: Size2d;
  /** Features of the whole picture, then each row with its newline. */
  readonly tokens: number;
}

/**
 * For a picture of `imageSize` cut into `tileGrid` tiles of `side` by `side` features; `maxTiles` is the N of OneVision's `anyres_max_N`. Throws
 * InputError for a sliver that nothing is left of.
 */
export function packingOf(
  side: number,
  imageSize: Size2d,
  tileGrid: Size2d,
  maxTiles: number | null,
): Packing {
  const cut = unpadded(imageSize, [tileGrid[0] * side, tileGrid[1] * side]);
  const size = maxTiles === null ? cut.size : shrunk(cut.size, maxTiles, side);
  return { side, tileGrid, cut, size, tokens: side ** 2 + size[0] * (size[1] + 1) };
}

/** Of a picture that is cut into tiles. */
export type CutLayout = VisionLayout & { readonly tileGrid: Size2d; readonly imageSize: Size2d };

/**
 * A picture of `imageSize` as the whole of it and the tiles of its best resolution. Throws ConfigError where that is not
 * made of tiles of the tower's size.
 */
export function anyresLayout(
  tower: LlavaTower,
  imageSize: Size2d,
  pinpoints: readonly Size2d[],
  maxTiles: number | null,
): CutLayout {
  const { numChannels, imageSize: edge } = tower.vision;
  const best = bestResolution(imageSize, pinpoints);
  const tileGrid: Size2d = [best[0] / edge, best[1] / edge];
  if (!tileGrid.every(Number.isInteger)) {
    throw new ConfigError(
      `image_grid_pinpoints: ${best.join('x')} is not made of tiles of ${edge} pixels, which the vision tower takes; expected multiples. Check preprocessor_config.json against config.json.`,
    );
  }
  return {
    tile: { kind: 'image', shape: [numChannels, edge, edge] },
    tiles: tileGrid[0] * tileGrid[1] + 1,
    tileGrid,
    tokens: packingOf(patchesPerSide(tower), imageSize, tileGrid, maxTiles).tokens,
    imageSize,
  };
}

/** Of a picture that is as large as the size which four tiles come nearest to. */
export function typicalLayout(
  tower: LlavaTower,
  pinpoints: readonly Size2d[],
  maxTiles: number | null,
): VisionLayout {
  const edge = 2 * tower.vision.imageSize;
  return anyresLayout(tower, bestResolution([edge, edge], pinpoints), pinpoints, maxTiles);
}
