import type { ImageProcessorConfig, PixelSize, ResizeTarget } from './image-processor.ts';
import { numpyLevels } from './level-table.ts';
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
  const { width, height } = cropped;
  return { pixelValues: toChannelsFirst(cropped, config), height, width };
}

function resizeTo(picture: Picture, target: ResizeTarget, filter: ImageProcessorConfig['filter']): Picture {
  if (target.kind === 'exact') return resize(picture, target.width, target.height, filter);
  const { width, height } = picture;
  const short = Math.min(width, height);
  // Python's int(size * long / short); the order of operations decides the last pixel.
  const long = Math.trunc((target.edge * Math.max(width, height)) / short);
  // A sliver of a picture, enlarged to the tower's edge, outgrows any memory.
  checkPixelCount(target.edge, long, { name: `${width}x${height} resized` });
  return width <= height
    ? resize(picture, target.edge, long, filter)
    : resize(picture, long, target.edge, filter);
}

/** Cuts the middle out; where the picture is smaller, black is laid around it, the odd row on top and left. */
function centerCrop(picture: Picture, size: PixelSize): Picture {
  if (picture.width === size.width && picture.height === size.height) return picture;
  const top = cropStart(picture.height, size.height);
  const left = cropStart(picture.width, size.width);
  const data = new Uint8Array(size.width * size.height * 3);
  const firstColumn = Math.max(left, 0);
  const lastColumn = Math.min(left + size.width, picture.width);
  for (let y = 0; y < size.height; y++) {
    const row = top + y;
    if (row < 0 || row >= picture.height) continue;
    const from = (row * picture.width + firstColumn) * 3;
    const to = (row * picture.width + lastColumn) * 3;
    data.set(picture.data.subarray(from, to), (y * size.width + firstColumn - left) * 3);
  }
  return { width: size.width, height: size.height, data };
}

/** First source index of the crop, negative where it begins in the padding. */
const cropStart = (from: number, to: number): number => Math.floor((from - to) / 2);

/** Every channel has 256 levels, so each level's float is worked out once. */
function toChannelsFirst(picture: Picture, config: ImageProcessorConfig): Float32Array {
  const pixels = picture.width * picture.height;
  const pixelValues = new Float32Array(3 * pixels);
  for (let channel = 0; channel < 3; channel++) {
    const table = numpyLevels(config, channel);
    const plane = pixelValues.subarray(channel * pixels, (channel + 1) * pixels);
    for (let i = 0, read = channel; i < pixels; i++, read += 3) {
      plane[i] = table[picture.data[read] as number] as number;
    }
  }
  return pixelValues;
}
