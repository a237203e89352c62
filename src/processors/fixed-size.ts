import { ConfigError, InputError, invariant } from '../core/errors.ts';
import type { ImageProcessorConfig } from '../image/image-processor.ts';
import { type PixelValues, preprocess } from '../image/preprocess.ts';
import { visibleArea } from '../image/visible-area.ts';
import type { VisionLayout } from '../models/model.ts';
import type { Medium, ProcessedMedium } from './processor.ts';

/** A picture brought to the one size that a tower takes: one tile. Throws InputError for a video. */
export function fixedSizePicture(
  medium: Medium,
  config: ImageProcessorConfig,
  layout: VisionLayout,
): ProcessedMedium {
  if (medium.kind !== 'image') throw videoRefused();
  return {
    kind: 'image',
    key: medium.key,
    layout,
    areas: [visibleArea(medium.picture, config)],
    *tiles() {
      yield checkedPixels(preprocess(medium.picture, config), layout);
    },
  };
}

/** The error for a video where there is no place for one. */
export const videoRefused = (): InputError =>
  new InputError('prompt: a video was given to a model of still pictures; expected pictures only.');

/** Pixel values of one tile. Throws ConfigError where the tower takes others. */
export function checkedPixels(
  { pixelValues, height, width }: PixelValues,
  { tile }: VisionLayout,
): Float32Array {
  const [, towerHeight, towerWidth] = tile.shape;
  invariant(towerHeight && towerWidth, 'a tile of pixels has a height and a width');
  if (height === towerHeight && width === towerWidth) return pixelValues;
  throw new ConfigError(
    `prompt: the ${tile.kind} processor gives ${height}x${width} pixels, the vision tower takes ${towerHeight}x${towerWidth}; expected the same. Check preprocessor_config.json against config.json.`,
  );
}
