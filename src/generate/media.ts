import { InputError } from '../core/errors.ts';
import { loadPicture, type PictureSource } from '../image/load-picture.ts';
import { pictureKey } from '../image/picture-key.ts';
import { pictureClip } from '../processors/picture-clip.ts';
import type { Medium, VideoClip } from '../processors/processor.ts';
import type { MediaPart, VideoPart } from '../text/messages.ts';

/** Opens the picture or video of a message. Throws InputError for a part that names none. */
export async function openMedium(part: MediaPart): Promise<Medium> {
  if (part.type === 'video') return openVideoPart(part);
  const picture = await loadPicture(part.image as PictureSource);
  return { kind: 'image', key: await pictureKey(picture), picture };
}

/** A clip that was opened already, or a list of pictures. */
async function openVideoPart({ video, numFrames, fps }: VideoPart): Promise<Medium> {
  const sampling = { numFrames, fps };
  if (isClip(video)) return { kind: 'video', key: null, video, sampling };
  if (Array.isArray(video)) {
    const pictures = await Promise.all(video.map((picture) => loadPicture(picture as PictureSource)));
    return { kind: 'video', key: null, video: pictureClip(pictures, null), sampling };
  }
  throw new InputError(
    'prompt: a video part holds no video; expected a list of pictures in its field "video".',
  );
}

const isClip = (video: unknown): video is VideoClip =>
  typeof video === 'object' && video !== null && 'frames' in video && typeof video.frames === 'function';
