import type { PixelSize } from './image-processor.ts';
import type { Picture } from './picture.ts';

/** A rectangle in pixels; `left` and `top` may be negative, and it may go beyond the picture. */
export interface CropBox {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

/** Part of a picture, black where the box lies outside of it. */
export function crop(picture: Picture, { left, top, width, height }: CropBox): Picture {
  if (left === 0 && top === 0 && width === picture.width && height === picture.height) return picture;
  const data = new Uint8Array(width * height * 3);
  const firstColumn = Math.max(left, 0);
  const endColumn = Math.min(left + width, picture.width);
  for (let y = 0; y < height; y++) {
    const row = top + y;
    if (row < 0 || row >= picture.height || endColumn <= firstColumn) continue;
    const from = (row * picture.width + firstColumn) * 3;
    const to = (row * picture.width + endColumn) * 3;
    data.set(picture.data.subarray(from, to), (y * width + firstColumn - left) * 3);
  }
  return { width, height, data };
}

/** Part of a picture of `size` that is yet to be made: `make` gives what of the box lies inside. Black elsewhere. */
export function cropUnmade(size: PixelSize, box: CropBox, make: (inside: CropBox) => Picture): Picture {
  const left = Math.max(box.left, 0);
  const top = Math.max(box.top, 0);
  const width = Math.min(box.left + box.width, size.width) - left;
  const height = Math.min(box.top + box.height, size.height) - top;
  return crop(make({ left, top, width, height }), { ...box, left: box.left - left, top: box.top - top });
}

/** Square tiles of a picture whose edges are multiples of `side`, row by row. */
export function* squareTiles(picture: Picture, side: number): Generator<Picture> {
  for (let top = 0; top < picture.height; top += side) {
    for (let left = 0; left < picture.width; left += side) {
      yield crop(picture, { left, top, width: side, height: side });
    }
  }
}
