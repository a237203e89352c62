import { InputError } from '../core/errors.ts';
import { type LoadPictureOptions, loadPicture, type PictureSource } from '../image/load-picture.ts';
import type { FrameSource } from './video.ts';
import { checkLimits, type VideoLimits } from './video-file.ts';

/** What transformers' processors take where nobody says how fast pictures follow one another. */
export const DEFAULT_FPS = 24;

/** Pictures in the order given, each read when its turn comes. Throws as openVideo and loadPicture do. */
export async function openPictures(
  name: string,
  pictures: readonly PictureSource[],
  fps: number,
  limits: VideoLimits & LoadPictureOptions,
): Promise<FrameSource> {
  if (!(fps > 0 && Number.isFinite(fps))) {
    throw new InputError(`video "${name}": its fps is ${fps}; expected a positive number.`);
  }
  const [first] = pictures;
  checkLimits({ name, limits }, 1, 1, pictures.length);
  const { width, height } = await loadPicture(first as PictureSource, limits);
  return {
    name,
    width,
    height,
    durationSeconds: pictures.length / fps,
    fps,
    timesSeconds: Float64Array.from(pictures, (_, i) => i / fps),
    async *decode(indices) {
      for (const index of indices) yield await loadPicture(pictures[index] as PictureSource, limits);
    },
    close: async () => {},
  };
}
