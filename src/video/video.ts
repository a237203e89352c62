import { AbortError, InputError } from '../core/errors.ts';
import type { Picture } from '../image/picture.ts';

/** What is known of a video before a frame is decoded. */
export interface VideoMetadata {
  /** What error messages call it: a path, a URL, or the kind of source. */
  readonly name: string;
  /** Equal for videos of equal content: of a file its path, size and time, of bytes a hash. Null where it is unknown. */
  readonly key: string | null;
  /** Upright, in stored pixels: pixels that are not square stay as they are, as in the reference decoders. */
  readonly width: number;
  readonly height: number;
  readonly frameCount: number;
  /** From the first frame's begin to the last one's end. Null for pictures that come without a rate. */
  readonly durationSeconds: number | null;
  /** Frames per second on average. Null for pictures that come without a rate. */
  readonly fps: number | null;
  /** When each frame begins, since the first one. Null for pictures that come without a rate. */
  readonly timesSeconds: ArrayLike<number> | null;
}

/** A video whose headers were read. It holds nothing open: each call of `frames` opens it again. */
export interface Video extends VideoMetadata {
  /**
   * Decodes the frames at `indices` (all of them by default), one after another as they are asked for, and keeps none.
   * Indices rise; one may come several times. Throws InputError for other indices, for damaged data and where the
   * size changes midway, UnsupportedError for colours that cannot be read, AbortError when `signal` fires.
   */
  frames(indices?: readonly number[], signal?: AbortSignal): AsyncGenerator<Picture, void>;
}

/** What each kind of source gives: frames by index, and when each begins. */
export interface FrameSource extends VideoMetadata {
  /** The frames at `indices`, which rise strictly. Fewer when the data ends early. */
  decode(indices: readonly number[]): AsyncIterable<Picture>;
}

/** Wraps a source with the checks that all of them need. */
export function createVideo({ decode, ...metadata }: FrameSource): Video {
  const { name, frameCount } = metadata;
  return {
    ...metadata,
    async *frames(wanted = Array.from({ length: frameCount }, (_, i) => i), signal) {
      checkIndices(wanted, metadata);
      let next = 0;
      for await (const picture of decode(wanted.filter((index, i) => index !== wanted[i - 1]))) {
        const index = wanted[next] ?? 0;
        checkSize(picture, index, metadata);
        for (; wanted[next] === index; next++) {
          if (signal?.aborted) throw new AbortError('video: aborted by the caller', { cause: signal.reason });
          yield picture;
        }
      }
      if (next < wanted.length) {
        throw new InputError(
          `video "${name}": it ends before frame ${wanted[next]} of the ${frameCount} that its header announces; expected a whole file. Save or download it again.`,
        );
      }
    },
  };
}

function checkIndices(indices: readonly number[], { name, frameCount }: VideoMetadata): void {
  let last = 0;
  for (const index of indices) {
    if (!Number.isInteger(index) || index < last || index >= frameCount) {
      throw new InputError(
        `video "${name}": frame ${index} is asked for after frame ${last}, of ${frameCount}; expected whole numbers from 0 to ${frameCount - 1} in rising order.`,
      );
    }
    last = index;
  }
}

function checkSize(picture: Picture, index: number, { name, width, height }: VideoMetadata): void {
  if (picture.width !== width || picture.height !== height) {
    throw new InputError(
      `video "${name}": frame ${index} is ${picture.width}x${picture.height}, the video ${width}x${height}; expected frames of one size. Scale them first.`,
    );
  }
}
