import { ConfigError } from '../core/errors.ts';
import { type CropBox, crop, squareTiles } from '../image/crop.ts';
import { type ImageProcessorConfig, type PixelSize, parseProcessorFields } from '../image/image-processor.ts';
import { preprocess } from '../image/preprocess.ts';
import { resize } from '../image/resize.ts';
import { boxArea, gridAreas, WHOLE_AREA } from '../image/visible-area.ts';
import { type ConfigReader, withDefaults } from '../models/config-reader.ts';
import type { LlavaParts } from '../models/llava/config.ts';
import { readPinpoints } from '../models/llava-next/anyres.ts';
import { anyresLayout, type CutLayout } from '../models/llava-next/layout.ts';
import { checkedPixels } from './fixed-size.ts';
import type { Medium, ProcessedMedium } from './processor.ts';

/** A size as [height, width], as configs write it. */
type Size = readonly [height: number, width: number];

/** What LLaVA-NeXT's and OneVision's image processors read. */
export interface AnyresProcessor {
  /** What becomes of each tile once it is cut. */
  readonly tile: ImageProcessorConfig;
  /** What the whole picture is squeezed to, whatever its shape. */
  readonly whole: PixelSize;
  readonly pinpoints: readonly Size[];
}

/** The models' side of it. */
export interface AnyresModel extends Pick<LlavaParts, 'tower'> {
  readonly imageGridPinpoints: readonly Size[];
}

/** Throws ConfigError for odd fields, and for tiles that are not of the tower's size. */
export function parseAnyres(
  imageProcessor: ConfigReader,
  defaults: Readonly<Record<string, unknown>>,
  { tower }: AnyresModel,
): AnyresProcessor {
  const json = withDefaults(imageProcessor, defaults);
  const tile = parseProcessorFields(json.json);
  const size = parseProcessorFields({ ...json.json, do_resize: true }).resize;
  const whole = size?.kind === 'exact' ? size : { height: size?.edge ?? 0, width: size?.edge ?? 0 };
  const cut = json.has('crop_size')
    ? parseProcessorFields({ ...json.json, do_center_crop: true }).centerCrop
    : null;
  const edge = cut?.height ?? whole.height;
  if (edge !== tower.vision.imageSize) {
    throw new ConfigError(
      `${imageProcessor.where}: size and crop_size cut tiles of ${edge} pixels, the vision tower takes ${tower.vision.imageSize}; expected the same. Check it against vision_config of config.json.`,
    );
  }
  return { tile, whole, pinpoints: readPinpoints(json, []) };
}

/**
 * How a picture is laid over tiles. Throws ConfigError where processor and model would bring it to different sizes,
 * InputError for a sliver that nothing is left of.
 */
export function pictureLayout(
  { height, width }: PixelSize,
  { pinpoints }: AnyresProcessor,
  { tower, imageGridPinpoints }: AnyresModel,
  maxTiles: number | null,
): CutLayout {
  const layout = anyresLayout(tower, [height, width], pinpoints, maxTiles);
  const [rows, columns] = anyresLayout(tower, [height, width], imageGridPinpoints, maxTiles).tileGrid;
  if (layout.tileGrid[0] !== rows || layout.tileGrid[1] !== columns) {
    throw new ConfigError(
      `image_grid_pinpoints: a picture of ${height}x${width} becomes ${layout.tileGrid.join('x')} tiles by preprocessor_config.json and ${rows}x${columns} by config.json; expected the same list in both.`,
    );
  }
  return layout;
}

/**
 * A picture whole, then resized to its best resolution, black around it, in tiles row by row. Reference:
 * get_image_patches in image_processing_pil_llava_next.py and image_processing_pil_llava_onevision.py of transformers.
 */
export function anyresPicture(
  { picture, key }: Extract<Medium, { kind: 'image' }>,
  processor: AnyresProcessor,
  layout: CutLayout,
): ProcessedMedium {
  const { tile, whole } = processor;
  const [, edge = 0] = layout.tile.shape;
  const best = { height: layout.tileGrid[0] * edge, width: layout.tileGrid[1] * edge };
  const fitted = fitInto(best, picture);
  return {
    kind: 'image',
    key,
    layout,
    areas: [WHOLE_AREA, ...gridAreas(layout.tileGrid, boxArea(best, fitted, fitted))],
    *tiles() {
      const squeezed = resize(picture, whole.width, whole.height, tile.filter);
      yield checkedPixels(preprocess(squeezed, tile), layout);
      const resized = resize(picture, fitted.width, fitted.height, tile.filter);
      const padded = crop(resized, { left: -fitted.left, top: -fitted.top, ...best });
      for (const part of squareTiles(padded, edge)) yield checkedPixels(preprocess(part, tile), layout);
    },
  };
}

/** Size of a picture that fits into a box, and its place in the middle, the odd row below and right of it. */
function fitInto({ height, width }: PixelSize, picture: PixelSize): CropBox {
  const [scaleWidth, scaleHeight] = [width / picture.width, height / picture.height];
  const size =
    scaleWidth < scaleHeight
      ? { width, height: Math.min(Math.ceil(picture.height * scaleWidth), height) }
      : { height, width: Math.min(Math.ceil(picture.width * scaleHeight), width) };
  return {
    ...size,
    left: Math.floor((width - size.width) / 2),
    top: Math.floor((height - size.height) / 2),
  };
}
