import type { CropBox } from './crop.ts';
import type { Picture } from './picture.ts';
import { resample } from './resample.ts';
import { type SmoothFilterName, smoothFilters } from './resample-filters.ts';
import { checkTarget } from './resize.ts';

/** The filters that torch can run with antialiasing. */
export type TorchFilterName = Extract<SmoothFilterName, 'bilinear' | 'bicubic' | 'lanczos'>;

/**
 * torchvision's resize of 8-bit RGB on a CPU, bit for bit: `resize(..., antialias=True)`, which the reference's video
 * processors run on frames. It is Pillow's but for two things: weights have as many bits as keep the largest of a pass
 * below 2^15, and the horizontal pass always comes first. A level apart from Pillow at most, in a few pixels. Gives the
 * part `box` of the result, which lies inside, or all.
 * Throws InputError when a target edge is not a positive integer.
 * Source: PyTorch 2.x, aten/src/ATen/native/cpu/UpSampleKernel.cpp (compute_index_ranges_int16_weights).
 */
export function resizeTorchvision(
  picture: Picture,
  width: number,
  height: number,
  filter: TorchFilterName,
  box: CropBox = { left: 0, top: 0, width, height },
): Picture {
  checkTarget(width, height);
  return resample(
    picture,
    { width, height, filter: smoothFilters[filter], choosePrecision, downFirst: false },
    box,
  );
}

/** The most bits, up to 22, with which the largest weight still rounds to a signed 16-bit integer. */
function choosePrecision(largest: number): number {
  let precision = 0;
  while (precision < 22 && Math.trunc(0.5 + largest * (1 << (precision + 1))) < 1 << 15) precision += 1;
  return precision;
}
