import { InputError } from '../core/errors.ts';
import type { Picture } from '../image/picture.ts';
import type { VideoClip } from './processor.ts';

/** Pictures in a row as a video; without `fps` its frames have no time. Throws InputError where there is none. */
export function pictureClip(pictures: readonly Picture[], fps: number | null): VideoClip {
  const [first] = pictures;
  if (!first) throw new InputError('video: it has no frames; expected one picture or more.');
  return {
    width: first.width,
    height: first.height,
    frameCount: pictures.length,
    fps,
    durationSeconds: fps === null ? null : pictures.length / fps,
    async *frames(indices) {
      for (const index of indices) {
        const picture = pictures[index];
        if (!picture) {
          throw new InputError(`video: there is no frame ${index}; expected 0 to ${pictures.length - 1}.`);
        }
        yield picture;
      }
    },
  };
}
