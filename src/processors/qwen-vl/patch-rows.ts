import type { LevelTable } from '../../image/level-table.ts';
import type { Picture } from '../../image/picture.ts';
import type { PatchSettings } from './settings.ts';

const CHANNELS = 3;

/**
 * Frames of one size as rows of patches, `[rows * columns, 3 * frames * patch²]`: patches that are merged follow one
 * another, and each is (channel, time, y, x). Reference: patchify of Qwen2VLVideoProcessor.
 */
export function patchRows(
  frames: readonly Picture[],
  settings: PatchSettings,
  levels: LevelTable,
): Float32Array {
  const { patchSize: P, mergeSize: merge } = settings;
  const { width = 0, height = 0 } = frames[0] ?? {};
  const pixels = new Float32Array(CHANNELS * frames.length * width * height);
  const tables = Array.from({ length: CHANNELS }, (_, channel) => levels(settings, channel));
  let write = 0;
  const writePatch = (top: number, left: number): void => {
    for (const [channel, table] of tables.entries()) {
      for (const { data } of frames) {
        for (let y = top; y < top + P; y++) {
          let read = (y * width + left) * CHANNELS + channel;
          for (let x = 0; x < P; x++, read += CHANNELS)
            pixels[write++] = table[data[read] as number] as number;
        }
      }
    }
  };
  const block = P * merge;
  for (let top = 0; top < height; top += block) {
    for (let left = 0; left < width; left += block) {
      for (let y = top; y < top + block; y += P) {
        for (let x = left; x < left + block; x += P) writePatch(y, x);
      }
    }
  }
  return pixels;
}
