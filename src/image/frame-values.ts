import { UnsupportedError } from '../core/errors.ts';
import { crop } from './crop.ts';
import type { ImageProcessorConfig, PixelSize } from './image-processor.ts';
import { torchLevels } from './level-table.ts';
import type { Picture } from './picture.ts';
import { type PixelValues, shortestEdgeSize, toPixelValues } from './preprocess.ts';
import type { FilterName } from './resample-filters.ts';
import { resizeTorchvision } from './resize-torchvision.ts';

/**
 * A video's frame as the reference's video processors make it, which always run on torchvision: its resize, its centre
 * crop, and rescaling and normalising in one step. Throws UnsupportedError for a filter that torch does not have.
 * Source: transformers 5.23, image_processing_backends.py (TorchvisionBackend).
 */
export function preprocessFrame(frame: Picture, config: ImageProcessorConfig): PixelValues {
  const { resize, centerCrop } = config;
  const size = resize?.kind === 'shortest-edge' ? shortestEdgeSize(frame, resize.edge) : resize;
  const resized = size ? resizeFrame(frame, size, config.filter) : frame;
  return toPixelValues(centerCrop ? cropCenter(resized, centerCrop) : resized, config, torchLevels);
}

/** torchvision's resize by a filter's Pillow name. */
export function resizeFrame(frame: Picture, { width, height }: PixelSize, filter: FilterName): Picture {
  if (filter === 'bilinear' || filter === 'bicubic' || filter === 'lanczos') {
    return resizeTorchvision(frame, width, height, filter);
  }
  throw new UnsupportedError(
    `video processor config: frames are resized by "${filter}"; expected bilinear, bicubic or lanczos (resample 2, 3 or 1).`,
  );
}

/** The middle; where the frame is smaller, black around it, the odd row below and right. */
function cropCenter(frame: Picture, { width, height }: PixelSize): Picture {
  const start = (from: number, to: number): number =>
    from < to ? -Math.floor((to - from) / 2) : Math.floor((from - to) / 2);
  return crop(frame, { left: start(frame.width, width), top: start(frame.height, height), width, height });
}
