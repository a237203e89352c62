import { InputError } from '../../core/errors.ts';
import { roundHalfEven } from '../../core/round-half-even.ts';
import type { PixelSize } from '../../image/image-processor.ts';

/** Bounds of a picture's pixels, or of all of a video's. */
export interface PixelLimits {
  readonly minPixels: number;
  readonly maxPixels: number;
}

/** The reference's limit: beyond it one edge would be a handful of patches. */
const MAX_ASPECT_RATIO = 200;

/**
 * Both edges at the nearest multiple of `factor`, or further away where their product is beyond the limits.
 * Throws InputError for an aspect ratio above 200. Reference: smart_resize of Qwen2VLImageProcessor.
 */
export function smartResize(size: PixelSize, factor: number, limits: PixelLimits): PixelSize {
  checkAspectRatio(size);
  return fitEdges(size, 1, 1, factor, limits);
}

/**
 * The same for the frames of a Qwen3-VL video, whose limits are of all frames together. Frames smaller than `factor`
 * are scaled up first. Throws InputError also for fewer frames than a temporal patch has.
 * Reference: smart_resize of Qwen3VLVideoProcessor.
 */
export function smartResizeVideo(
  { height, width }: PixelSize,
  frames: number,
  temporalFactor: number,
  factor: number,
  limits: PixelLimits,
): PixelSize {
  if (frames < temporalFactor) {
    throw new InputError(
      `video: it has ${frames} frames; expected at least ${temporalFactor}, those of one temporal patch.`,
    );
  }
  const scale = Math.max(factor / height, factor / width);
  const size =
    scale > 1 ? { height: Math.trunc(height * scale), width: Math.trunc(width * scale) } : { height, width };
  checkAspectRatio(size);
  const counted = roundHalfEven(frames / temporalFactor) * temporalFactor;
  return fitEdges(size, frames, counted, factor, limits);
}

/** `frames` scale what the picture has, `counted` what the rounded one has. */
function fitEdges(
  { height, width }: PixelSize,
  frames: number,
  counted: number,
  factor: number,
  { minPixels, maxPixels }: PixelLimits,
): PixelSize {
  const nearest = (edge: number): number => roundHalfEven(edge / factor) * factor;
  const rounded = { height: nearest(height), width: nearest(width) };
  const pixels = counted * rounded.height * rounded.width;
  if (pixels > maxPixels) {
    const beta = Math.sqrt((frames * height * width) / maxPixels);
    const down = (edge: number): number => Math.max(factor, Math.floor(edge / beta / factor) * factor);
    return { height: down(height), width: down(width) };
  }
  if (pixels < minPixels) {
    const beta = Math.sqrt(minPixels / (frames * height * width));
    const up = (edge: number): number => Math.ceil((edge * beta) / factor) * factor;
    return { height: up(height), width: up(width) };
  }
  return rounded;
}

function checkAspectRatio({ height, width }: PixelSize): void {
  const ratio = Math.max(height, width) / Math.min(height, width);
  if (ratio <= MAX_ASPECT_RATIO) return;
  throw new InputError(
    `picture: ${width}x${height} has an aspect ratio of ${ratio.toFixed(1)}; expected at most ${MAX_ASPECT_RATIO}. Crop it first.`,
  );
}
