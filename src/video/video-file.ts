import { InputError } from '../core/errors.ts';
import { DEFAULT_MAX_PIXELS } from '../image/picture-file.ts';

/** A file of frames: where to read it, what to call it, and what it may hold. */
export interface VideoFile {
  readonly name: string;
  readonly key: string | null;
  /** A path in Node. */
  readonly data: string | Uint8Array<ArrayBuffer> | Blob;
  readonly byteLength: number;
  readonly limits: VideoLimits;
}

export interface VideoLimits {
  /** Width times height above which a video is refused. Default that of pictures. */
  readonly maxPixels?: number;
  /** Default {@link DEFAULT_MAX_FRAMES}. */
  readonly maxFrames?: number;
}

/** Nine hours at 30 frames a second. Headers of a few bytes can announce billions. */
const DEFAULT_MAX_FRAMES = 1_000_000;

/** Throws InputError for a size or a frame count that is over a limit, or zero. */
export function checkLimits(
  { name, limits }: Pick<VideoFile, 'name' | 'limits'>,
  width: number,
  height: number,
  frames: number,
): void {
  if (!(width > 0 && height > 0)) {
    throw new InputError(`video "${name}": its frames are ${width}x${height}; expected a positive size.`);
  }
  const { maxPixels = DEFAULT_MAX_PIXELS } = limits;
  if (width * height > maxPixels) {
    throw new InputError(
      `video "${name}": its frames are ${width}x${height}, ${width * height} pixels; expected at most ${maxPixels}. Scale it first, or raise maxPixels.`,
    );
  }
  if (frames < 1) throw new InputError(`video "${name}": it holds no frames; expected at least one.`);
  checkFrameCount(name, limits, frames);
}

/** Throws InputError for more frames than are allowed. */
export function checkFrameCount(name: string, limits: VideoLimits, frames: number): void {
  const { maxFrames = DEFAULT_MAX_FRAMES } = limits;
  if (frames > maxFrames) {
    throw new InputError(
      `video "${name}": it holds more than ${maxFrames} frames; expected at most so many. Cut it first, or raise maxFrames.`,
    );
  }
}

/** No frame is shorter than a byte. */
export const moreThanBytes = (name: string, frames: number, byteLength: number): InputError =>
  new InputError(
    `video "${name}": its index announces ${frames} frames, and it is ${byteLength} bytes long; expected a whole, undamaged file. Save or download it again.`,
  );

/** The error for a file that begins like a video but does not decode. */
export function corruptVideo(name: string, cause: unknown): InputError {
  const reason = (cause instanceof Error ? cause.message : String(cause)).split('\n')[0];
  return new InputError(
    `video "${name}": it does not decode (${reason}); expected a whole, undamaged file. Save or download it again.`,
    { cause },
  );
}
