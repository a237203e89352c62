import type { ImageProcessorConfig } from './image-processor.ts';
import type { Picture } from './picture.ts';

/** A part of a picture as fractions of its width and height; below 0 and above 1 lies a border around it. */
export type PictureArea = readonly [left: number, top: number, right: number, bottom: number];

/** What of a picture is left by the resizing and cropping of `preprocess`. */
export function visibleArea(
  { width, height }: Pick<Picture, 'width' | 'height'>,
  { resize, centerCrop }: Pick<ImageProcessorConfig, 'resize' | 'centerCrop'>,
): PictureArea {
  if (!centerCrop) return [0, 0, 1, 1];
  const scale = resize?.kind === 'shortest-edge' ? resize.edge / Math.min(width, height) : 1;
  const resized = resize?.kind === 'exact' ? resize : { width: width * scale, height: height * scale };
  const [x, y] = [centerCrop.width / resized.width, centerCrop.height / resized.height];
  return [(1 - x) / 2, (1 - y) / 2, (1 + x) / 2, (1 + y) / 2];
}
