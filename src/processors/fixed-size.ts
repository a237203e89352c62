import { ConfigError, InputError, invariant } from '../core/errors.ts';
import type { ImageProcessorConfig } from '../image/image-processor.ts';
import { preprocess } from '../image/preprocess.ts';
import { visibleArea } from '../image/visible-area.ts';
import type { VisionLayout } from '../models/model.ts';
import type { Medium, ProcessedMedium } from './processor.ts';

/** A picture brought to the one size that a tower takes: one tile. Throws InputError for a video. */
export function fixedSizePicture(
  medium: Medium,
  config: ImageProcessorConfig,
  layout: VisionLayout,
): ProcessedMedium {
  if (medium.kind !== 'image') {
    throw new InputError('prompt: a video was given to a model of still pictures; expected pictures only.');
  }
  return {
    kind: 'image',
    key: medium.key,
    layout,
    areas: [visibleArea(medium.picture, config)],
    *tiles() {
      const { pixelValues, height, width } = preprocess(medium.picture, config);
      const [, towerHeight, towerWidth] = layout.tile.shape;
      invariant(towerHeight && towerWidth, 'a tile of pixels has a height and a width');
      if (height !== towerHeight || width !== towerWidth) {
        throw new ConfigError(
          `prompt: the image processor gives ${height}x${width} pixels, the vision tower takes ${towerHeight}x${towerWidth}; expected the same. Check preprocessor_config.json against config.json.`,
        );
      }
      yield pixelValues;
    },
  };
}
