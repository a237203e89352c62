import type { ImageProcessorConfig } from './image-processor.ts';
import type { Picture } from './picture.ts';

/** A part of a picture as fractions of its width and height; below 0 and above 1 lies a border around it. */
export type PictureArea = readonly [left: number, top: number, right: number, bottom: number];

/** All of a picture. */
export const WHOLE_AREA: PictureArea = [0, 0, 1, 1];

/** The cells of a grid over `area`, row by row. */
export function gridAreas(
  [rows, columns]: readonly [rows: number, columns: number],
  [left, top, right, bottom]: PictureArea = WHOLE_AREA,
): readonly PictureArea[] {
  const [width, height] = [(right - left) / columns, (bottom - top) / rows];
  return Array.from({ length: rows * columns }, (_, i) => {
    const [x, y] = [left + (i % columns) * width, top + Math.floor(i / columns) * height];
    return [x, y, x + width, y + height];
  });
}

/** What a box of pixels covers of a picture that stands at `at` of it in `size`. */
export function boxArea(
  box: { readonly width: number; readonly height: number },
  at: { readonly left: number; readonly top: number },
  size: { readonly width: number; readonly height: number },
): PictureArea {
  return [
    -at.left / size.width,
    -at.top / size.height,
    (box.width - at.left) / size.width,
    (box.height - at.top) / size.height,
  ];
}

/** What of a picture is left by the resizing and cropping of `preprocess`. */
export function visibleArea(
  { width, height }: Pick<Picture, 'width' | 'height'>,
  { resize, centerCrop }: Pick<ImageProcessorConfig, 'resize' | 'centerCrop'>,
): PictureArea {
  if (!centerCrop) return WHOLE_AREA;
  const scale = resize?.kind === 'shortest-edge' ? resize.edge / Math.min(width, height) : 1;
  const resized = resize?.kind === 'exact' ? resize : { width: width * scale, height: height * scale };
  const [x, y] = [centerCrop.width / resized.width, centerCrop.height / resized.height];
  return [(1 - x) / 2, (1 - y) / 2, (1 + x) / 2, (1 + y) / 2];
}
