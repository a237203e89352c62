import { type CropBox, cropUnmade } from './crop.ts';
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
  const { filter, centerCrop } = config;
  const size = config.resize ? resizedSize(picture, config.resize) : picture;
  const box = centerCrop ? centerBox(size, centerCrop) : { left: 0, top: 0, ...size };
  const made = cropUnmade(size, box, (inside) => resize(picture, size.width, size.height, filter, inside));
  return toPixelValues(made, config);
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

const resizedSize = (picture: Picture, target: ResizeTarget): PixelSize =>
  target.kind === 'exact' ? target : shortestEdgeSize(picture, target.edge);

/** Size of a picture whose shorter edge becomes `edge`. Throws InputError for one beyond the pixel limit. */
export function shortestEdgeSize({ width, height }: PixelSize, edge: number): PixelSize {
  const short = Math.min(width, height);
  // Python's int(size * long / short); the order of operations decides the last pixel.
  const long = Math.trunc((edge * Math.max(width, height)) / short);
  // A sliver of a picture, enlarged to the tower's edge, outgrows any memory.
  checkPixelCount(edge, long, { name: `${width}x${height} resized` });
  return width <= height ? { width: edge, height: long } : { width: long, height: edge };
}

/** The middle; where a picture is smaller, black is laid around it, the odd row on top and left. */
const centerBox = (size: PixelSize, { width, height }: PixelSize): CropBox => ({
  left: Math.floor((size.width - width) / 2),
  top: Math.floor((size.height - height) / 2),
  width,
  height,
});
