import { UnsupportedError } from '../core/errors.ts';
import { type CropBox, crop, cropUnmade } from './crop.ts';
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
  const { resize, centerCrop, filter } = config;
  const size = (resize?.kind === 'shortest-edge' ? shortestEdgeSize(frame, resize.edge) : resize) ?? frame;
  const box = centerCrop ? centerBox(size, centerCrop) : { left: 0, top: 0, ...size };
  const made = cropUnmade(size, box, (inside) =>
    resize ? resizeFrame(frame, size, filter, inside) : crop(frame, inside),
  );
  return toPixelValues(made, config, torchLevels);
}

/** torchvision's resize by a filter's Pillow name, or the part `box` of it. */
export function resizeFrame(
  frame: Picture,
  { width, height }: PixelSize,
  filter: FilterName,
  box: CropBox = { left: 0, top: 0, width, height },
): Picture {
  if (filter === 'bilinear' || filter === 'bicubic' || filter === 'lanczos') {
    return resizeTorchvision(frame, width, height, filter, box);
  }
  throw new UnsupportedError(
    `video processor config: frames are resized by "${filter}"; expected bilinear, bicubic or lanczos (resample 2, 3 or 1).`,
  );
}

/** The middle; where the frame is smaller, black around it, the odd row below and right. */
function centerBox(size: PixelSize, { width, height }: PixelSize): CropBox {
  const start = (from: number, to: number): number =>
    from < to ? -Math.floor((to - from) / 2) : Math.floor((from - to) / 2);
  return { left: start(size.width, width), top: start(size.height, height), width, height };
}
