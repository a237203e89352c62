import { InputError } from '../core/errors.ts';
import { loadPicture, type PictureSource } from '../image/load-picture.ts';
import { pictureKey } from '../image/picture-key.ts';
import { TEMPORAL_POOLINGS } from '../models/blocks/temporal-pooling.ts';
import type { FramePooling, Medium, VideoClip } from '../processors/processor.ts';
import type { MediaPart, VideoPart } from '../text/messages.ts';
import { openVideo, type VideoSource } from '../video/open-video.ts';

/** Opens the picture or video of a message. Throws InputError for a part that names none. */
export async function openMedium(part: MediaPart): Promise<Medium> {
  if (part.type === 'video') return openVideoPart(part);
  const picture = await loadPicture(part.image as PictureSource);
  return { kind: 'image', key: await pictureKey(picture), picture };
}

/** A video from wherever it is, or one that was opened already. */
async function openVideoPart(part: VideoPart): Promise<Medium> {
  const { video: source, numFrames, fps, pooling } = part;
  if (source === undefined) {
    throw new InputError(
      'prompt: a video part holds no video; expected a path, an address, bytes or a list of pictures in its field "video".',
    );
  }
  if (numFrames !== undefined && fps !== undefined) {
    throw new InputError(
      `prompt: a video part asks for ${numFrames} frames and for ${fps} a second; expected one of numFrames and fps.`,
    );
  }
  const video = isClip(source) ? source : await openVideo(source as VideoSource);
  const key = video.key ?? null;
  return {
    kind: 'video',
    key: key === null ? null : `${key} ${JSON.stringify({ numFrames, fps, pooling })}`,
    video,
    sampling: { numFrames, fps },
    pooling: pooling && checkedPooling(pooling),
  };
}

const isClip = (video: unknown): video is VideoClip =>
  typeof video === 'object' && video !== null && 'frames' in video && typeof video.frames === 'function';

/** Parts come from JSON as well. */
function checkedPooling(pooling: FramePooling): FramePooling {
  const { kind, window } = pooling;
  if (
    TEMPORAL_POOLINGS.includes(kind) &&
    (window === undefined || (Number.isInteger(window) && window > 0))
  ) {
    return pooling;
  }
  throw new InputError(
    `prompt: a video part has the pooling ${JSON.stringify(pooling)}; expected a kind of ${TEMPORAL_POOLINGS.join(', ')} and a window of whole frames.`,
  );
}
