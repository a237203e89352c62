import { InputError } from '../core/errors.ts';
import { type LoadPictureOptions, loadPicture, type PictureSource } from '../image/load-picture.ts';
import type { FrameSource } from './video.ts';
import { checkLimits, type VideoLimits } from './video-file.ts';

/** Pictures in the order given, `fps` a second or without time, each read when its turn comes. Throws as openVideo and loadPicture do. */
export async function openPictures(
  name: string,
  pictures: readonly PictureSource[],
  fps: number | null,
  limits: VideoLimits & LoadPictureOptions,
): Promise<FrameSource> {
  if (fps !== null && !(fps > 0 && Number.isFinite(fps))) {
    throw new InputError(`video "${name}": its fps is ${fps}; expected a positive number.`);
  }
  const [first] = pictures;
  checkLimits({ name, limits }, 1, 1, pictures.length);
  const { width, height } = await loadPicture(first as PictureSource, limits);
  return {
    name,
    key: null,
    width,
    height,
    frameCount: pictures.length,
    durationSeconds: fps === null ? null : pictures.length / fps,
    fps,
    timesSeconds: fps === null ? null : Float64Array.from(pictures, (_, i) => i / fps),
    async *decode(indices) {
      for (const index of indices) yield await loadPicture(pictures[index] as PictureSource, limits);
    },
  };
}
