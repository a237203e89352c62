import { AbortError, InputError } from '../core/errors.ts';
import type { Picture } from '../image/picture.ts';

/** What sampling rules decide by. */
export interface VideoMetadata {
  /** What error messages call it: a path, a URL, or the kind of source. */
  readonly name: string;
  /** Upright, in stored pixels: pixels that are not square stay as they are, as in the reference decoders. */
  readonly width: number;
  readonly height: number;
  readonly frameCount: number;
  /** From the first frame's begin to the last one's end. */
  readonly durationSeconds: number;
  /** Frames per second on average. */
  readonly fps: number;
}

/** A frame in presentation order. */
export interface Frame {
  readonly picture: Picture;
  readonly index: number;
  /** Since the first frame. */
  readonly timeSeconds: number;
}

/** Which frames to take: their indices in rising order; one index may come several times. */
export type FrameSampling = (video: VideoMetadata) => readonly number[];

export interface Video extends VideoMetadata {
  /**
   * Decodes the frames that `sampling` picks (all of them by default), one after another as they are asked for, and
   * keeps none. Throws InputError for damaged data, UnsupportedError where the size changes midway, AbortError when
   * `signal` fires.
   */
  frames(sampling?: FrameSampling, signal?: AbortSignal): AsyncGenerator<Frame, void>;
  close(): Promise<void>;
}

/** What each kind of source gives: frames by index, and when each begins. */
export interface FrameSource extends Omit<VideoMetadata, 'frameCount'> {
  /** Begin of each frame since the first one; as many as there are frames. */
  readonly timesSeconds: ArrayLike<number>;
  /** The frames of `indices`, which rise strictly. Fewer when the data ends early. */
  decode(indices: readonly number[]): AsyncIterable<Picture>;
  close(): Promise<void>;
}

/** Wraps a source with the checks that all of them need. */
export function createVideo(source: FrameSource): Video {
  const { name, width, height, durationSeconds, fps, timesSeconds } = source;
  const metadata = { name, width, height, frameCount: timesSeconds.length, durationSeconds, fps };
  return {
    ...metadata,
    async *frames(sampling = ({ frameCount }) => Array.from({ length: frameCount }, (_, i) => i), signal) {
      const wanted = sampling(metadata);
      checkIndices(wanted, metadata);
      const distinct = wanted.filter((index, i) => index !== wanted[i - 1]);
      let given = 0;
      for await (const picture of source.decode(distinct)) {
        const index = distinct[given];
        if (index === undefined) break;
        given++;
        checkSize(picture, index, metadata);
        for (const _ of wanted.filter((other) => other === index)) {
          if (signal?.aborted) throw new AbortError('video: aborted by the caller', { cause: signal.reason });
          yield { picture, index, timeSeconds: timesSeconds[index] ?? 0 };
        }
      }
      if (given < distinct.length) {
        throw new InputError(
          `video "${name}": it ends before frame ${distinct[given]} of the ${metadata.frameCount} that its header announces; expected a whole file. Save or download it again.`,
        );
      }
    },
    close: () => source.close(),
  };
}

function checkIndices(indices: readonly number[], { name, frameCount }: VideoMetadata): void {
  let last = 0;
  for (const index of indices) {
    if (!Number.isInteger(index) || index < last || index >= frameCount) {
      throw new InputError(
        `video "${name}": the sampling asks for frame ${index} after frame ${last} of ${frameCount}; expected whole numbers from 0 to ${frameCount - 1} in rising order.`,
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
