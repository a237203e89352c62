import { ConfigError, InputError, invariant } from '../core/errors.ts';
import type { ImageProcessorConfig } from '../image/image-processor.ts';
import { type PixelValues, preprocess } from '../image/preprocess.ts';
import { visibleArea } from '../image/visible-area.ts';
import type { Model, VisionLayout } from '../models/model.ts';
import type { Medium, ProcessedMedium } from './processor.ts';
import { stackedFrames } from './stacked-frames.ts';

/**
 * A picture brought to the one size that a tower takes, one tile; or a video as such pictures, one after another.
 * Throws InputError for more frames than a video has.
 */
export function fixedSizeMedium(
  medium: Medium,
  config: ImageProcessorConfig,
  { vision, text, modelType }: Model,
): ProcessedMedium {
  invariant(vision, `${modelType} has no vision tower`);
  const { typicalLayout: layout } = vision;
  if (medium.kind === 'video') {
    return stackedFrames(medium, layout, text.maxPositionEmbeddings, (frame) =>
      checkedPixels(preprocess(frame, config), layout),
    );
  }
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
