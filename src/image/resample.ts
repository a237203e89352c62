import { type CropBox, crop } from './crop.ts';
import type { PixelSize } from './image-processor.ts';
import type { Picture } from './picture.ts';
import { type Coefficients, computeCoefficients, sliceCoefficients } from './resample-coefficients.ts';
import type { ResampleFilter } from './resample-filters.ts';
import { resamplePlain } from './resample-plain.ts';
import { resampleSimd } from './resample-simd.ts';

/** How a picture is brought to another size. */
export type Resampling = PixelSize & {
  readonly filter: ResampleFilter;
  /** Bits behind the point of a pass's weights, from the largest of them. */
  readonly choosePrecision: (largest: number) => number;
  /** Whether columns are summed before rows: rounding between the passes makes their order visible. */
  readonly downFirst: boolean;
};

/** The sums over a picture; null along an edge that keeps its size, one of which changes. */
export type Passes = {
  readonly across: Coefficients | null;
  readonly down: Coefficients | null;
  readonly downFirst: boolean;
};

/** The part `box` of a picture at its new size, inside of which it lies. What is outside is not worked out. */
export function resample(
  picture: Picture,
  { width, height, filter, choosePrecision, downFirst }: Resampling,
  { left, top, width: columns, height: rows }: CropBox,
): Picture {
  const part = (inSize: number, outSize: number, first: number, count: number): Coefficients | null =>
    inSize === outSize
      ? null
      : sliceCoefficients(computeCoefficients(inSize, outSize, filter, choosePrecision), first, count);
  const across = part(picture.width, width, left, columns);
  const down = part(picture.height, height, top, rows);
  // Along an edge that keeps its size, a part of the result is that part of the source.
  const source = crop(picture, {
    ...(across ? { left: 0, width: picture.width } : { left, width: columns }),
    ...(down ? { top: 0, height: picture.height } : { top, height: rows }),
  });
  if (!across && !down) return source;
  const passes = { across, down, downFirst };
  return resampleSimd(source, passes) ?? resamplePlain(source, passes);
}
