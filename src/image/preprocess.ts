import { crop } from './crop.ts';
import type { ImageProcessorConfig, PixelSize, ResizeTarget } from './image-processor.ts';
import { type LevelConfig, type LevelTable, numpyLevels } from './level-table.ts';
import type { Picture } from './picture.ts';
import { checkPixelCount } from './picture-file.ts';
import { resize } from './resize.ts';

/** One picture as a vision tower takes it. */
export type PixelValues = {
  /** `[3, height, width]`, channels first. */
  readonly pixelValues: Float32Array;
  readonly height: number;
  readonly width: number;
};

/**
 * Resize, centre crop, rescale, normalise: in the order and the precision of transformers' Pillow-backed
 * image processors, so that equal pictures give equal floats. Throws InputError when the resized picture would
 * be beyond the pixel limit.
 * Source: transformers, image_transforms.py and image_processing_clip.py.
 */
export function preprocess(picture: Picture, config: ImageProcessorConfig): PixelValues {
  const resized = config.resize ? resizeTo(picture, config.resize, config.filter) : picture;
  const cropped = config.centerCrop ? centerCrop(resized, config.centerCrop) : resized;
  return toPixelValues(cropped, config);
}

/** Levels to pixel values, channels first, as they are fed to a tower. */
export function toPixelValues(
  { data, width, height }: Picture,
  config: LevelConfig,
  levels: LevelTable = numpyLevels,
): PixelValues {
  const pixels = width * height;
  const pixelValues = new Float32Array(3 * pixels);
  for (let channel = 0; channel < 3; channel++) {
    const table = levels(config, channel);
    const plane = pixelValues.subarray(channel * pixels, (channel + 1) * pixels);
    for (let i = 0, read = channel; i < pixels; i++, read += 3) {
      plane[i] = table[data[read] as number] as number;
    }
  }
  return { pixelValues, width, height };
}

function resizeTo(picture: Picture, target: ResizeTarget, filter: ImageProcessorConfig['filter']): Picture {
  const { width, height } = target.kind === 'exact' ? target : shortestEdgeSize(picture, target.edge);
  return resize(picture, width, height, filter);
}

/** Size of a picture whose shorter edge becomes `edge`. Throws InputError for one beyond the pixel limit. */
export function shortestEdgeSize({ width, height }: PixelSize, edge: number): PixelSize {
  const short = Math.min(width, height);
  // Python's int(size * long / short); the order of operations decides the last pixel.
  const long = Math.trunc((edge * Math.max(width, height)) / short);
  // A sliver of a picture, enlarged to the tower's edge, outgrows any memory.
  checkPixelCount(edge, long, { name: `${width}x${height} resized` });
  return width <= height ? { width: edge, height: long } : { width: long, height: edge };
}

/** Cuts the middle out; where the picture is smaller, black is laid around it, the odd row on top and left. */
function centerCrop(picture: Picture, { width, height }: PixelSize): Picture {
  const left = Math.floor((picture.width - width) / 2);
  const top = Math.floor((picture.height - height) / 2);
  return crop(picture, { left, top, width, height });
}
