import type { Picture } from '../../src/image/picture.ts';

/** What tools/video-clips/make.sh draws below the band of bits, from left to right. */
export const FIELDS = [
  [200, 40, 60],
  [40, 180, 90],
  [50, 80, 210],
  [230, 220, 40],
] as const;

/** The index that a frame spells in its upper band. */
export function spelledIndex(picture: Picture): number {
  let index = 0;
  for (let bit = 0; bit < 10; bit++) if ((pixel(picture, 6 * bit + 3, 7)[1] ?? 0) > 127) index += 2 ** bit;
  return index;
}

/** The colours in the middle of the four fields. */
export const fieldColours = (picture: Picture): number[][] =>
  FIELDS.map((_, i) => pixel(picture, 16 * i + 8, 32));

export function pixel({ width, data }: Picture, x: number, y: number): number[] {
  const at = (y * width + x) * 3;
  return [...data.subarray(at, at + 3)];
}
