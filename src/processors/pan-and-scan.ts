import type { CropBox } from '../image/crop.ts';
import type { PixelSize } from '../image/image-processor.ts';
import type { ConfigReader } from '../models/config-reader.ts';

/** When and how a picture that is far from square is also looked at in parts. */
export interface PanAndScan {
  /** Edge that a part has at least. */
  readonly minCropSize: number;
  readonly maxNumCrops: number;
  /** Long edge over short edge, from which on it is. */
  readonly minRatio: number;
}

/**
 * null where it is not asked for. Reads what a call asks, since the reference's processor overrules its file's fields by
 * these fallbacks: https://huggingface.co/docs/transformers/model_doc/gemma3#transformers.Gemma3Processor
 */
export function parsePanAndScan(asked: ConfigReader): PanAndScan | null {
  if (!asked.boolean('do_pan_and_scan', false)) return null;
  return {
    minCropSize: asked.count('pan_and_scan_min_crop_size', 256),
    maxNumCrops: asked.count('pan_and_scan_max_num_crops', 4),
    minRatio: asked.number('pan_and_scan_min_ratio_to_activate', 1.2),
  };
}

/**
 * Parts of a picture side by side along its long edge, the last as long as what is left; none for a picture that is near
 * square, or whose parts would be small. Reference: Gemma3ImageProcessorPil.pan_and_scan in transformers.
 */
export function panAndScan({ width, height }: PixelSize, settings: PanAndScan): readonly CropBox[] {
  const isWide = width >= height;
  const [long, short] = isWide ? [width, height] : [height, width];
  if (long / short < settings.minRatio) return [];
  const fitting = Math.min(Math.floor(long / settings.minCropSize), Math.floor(long / short + 0.5));
  const count = Math.min(Math.max(fitting, 2), settings.maxNumCrops);
  const size = Math.ceil(long / count);
  if (Math.min(size, short) < settings.minCropSize) return [];
  return Array.from({ length: count }, (_, i) => {
    const [begin, length] = [i * size, Math.min(size, long - i * size)];
    return isWide
      ? { left: begin, top: 0, width: length, height }
      : { left: 0, top: begin, width, height: length };
  }).filter((box) => box.width > 0 && box.height > 0);
}
