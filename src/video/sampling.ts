import { InputError } from '../core/errors.ts';
import type { FrameSampling, VideoMetadata } from './video.ts';

/**
 * Which frames each reference processor takes. All rules are those of transformers 5.23, named beside each; the
 * rounding is Python's, NumPy's or PyTorch's, as there.
 */

/**
 * `numFrames` frames, evenly from the first on: `i * frameCount // numFrames`.
 * Source: default_sample_indices_fn, video_utils.py. Throws InputError when there are fewer frames than asked for.
 */
export const uniformFrames =
  (numFrames: number): FrameSampling =>
  (video) => {
    checkCount(numFrames, video);
    return sequence(numFrames).map((i) => Math.floor((i * video.frameCount) / numFrames));
  };

/** {@link uniformFrames}, or every frame of a video that has fewer. */
export const atMostFrames =
  (numFrames: number): FrameSampling =>
  (video) =>
    uniformFrames(Math.min(numFrames, video.frameCount))(video);

/**
 * `fps` frames of each second, at least one, spread as by {@link uniformFrames}.
 * Source: default_sample_indices_fn, video_utils.py. Throws InputError when the video has fewer a second.
 */
export const framesPerSecond =
  (fps: number): FrameSampling =>
  (video) =>
    uniformFrames(Math.max(1, Math.trunc((video.frameCount / video.fps) * fps)))(video);

export interface TemporalPatches {
  /** Frames that become one token grid; the number of frames is made a multiple of it. */
  readonly temporalPatchSize: number;
  readonly minFrames: number;
  readonly maxFrames: number;
}

/**
 * Source: Qwen2VLVideoProcessor.sample_frames. A fixed `numFrames` is rounded to whole temporal patches; by `fps` the
 * number is rounded down to them, within minFrames and maxFrames. Neither takes every frame.
 * Throws InputError when the video has fewer frames, or fewer than one temporal patch by `fps`.
 */
export const qwen2VlFrames =
  ({ temporalPatchSize, minFrames, maxFrames }: TemporalPatches, wish: FrameWish = {}): FrameSampling =>
  (video) => {
    const { frameCount, fps } = video;
    const whole = (frames: number, round: (value: number) => number): number =>
      round(frames / temporalPatchSize) * temporalPatchSize;
    let count = frameCount;
    if (wish.numFrames !== undefined) count = whole(wish.numFrames, roundHalfEven);
    else if (wish.fps !== undefined) {
      const most = whole(Math.min(maxFrames, frameCount), Math.floor);
      const asked = (frameCount / fps) * wish.fps;
      count = whole(Math.min(Math.max(asked, minFrames), most, frameCount), Math.floor);
    }
    checkCount(count, video);
    // torch.arange steps in double and stores float, which decides what lies within a rounding error of a whole number.
    const step = frameCount / count;
    return sequence(count).map((i) => Math.trunc(Math.fround(i * step)));
  };

/**
 * Source: Qwen3VLVideoProcessor.sample_frames: from the first frame to the last, both included, by `numFrames` or
 * `fps` within minFrames and maxFrames; neither takes every frame within them.
 */
export const qwen3VlFrames =
  (
    { minFrames, maxFrames }: Omit<TemporalPatches, 'temporalPatchSize'>,
    wish: FrameWish = {},
  ): FrameSampling =>
  ({ frameCount, fps }) => {
    const clamp = (frames: number, ...most: readonly number[]): number =>
      Math.min(Math.max(frames, minFrames), maxFrames, ...most);
    let count = wish.numFrames;
    if (count === undefined && wish.fps !== undefined) {
      count = clamp(Math.trunc((frameCount / fps) * wish.fps), frameCount);
    }
    return linspace(0, frameCount - 1, count ?? clamp(frameCount)).map(roundHalfEven);
  };

/**
 * Source: SmolVLMVideoProcessor.sample_frames: `fps` frames a second but at most `numFrames`, without `skipSeconds` at
 * either end where the video is long enough.
 */
export const smolVlmFrames =
  (fps: number, numFrames: number, skipSeconds = 1): FrameSampling =>
  (video) => {
    const { frameCount, durationSeconds } = video;
    const count = Math.max(1, Math.min(roundHalfEven(fps * durationSeconds), numFrames));
    const last = frameCount - 1;
    let [begin, end] = [0, last];
    if (skipSeconds > 0 && durationSeconds - 2 * skipSeconds > numFrames * fps) {
      begin = Math.trunc(skipSeconds * video.fps);
      end = Math.min(Math.trunc(frameCount - skipSeconds * video.fps), last);
      if (begin >= end) [begin, end] = [0, last];
    }
    return [...new Set(linspace(begin, end, count).map(Math.trunc))];
  };

/** What a caller may ask for in place of a processor's own numbers. */
export interface FrameWish {
  readonly numFrames?: number;
  readonly fps?: number;
}

function checkCount(numFrames: number, { name, frameCount }: VideoMetadata): void {
  if (!Number.isInteger(numFrames) || numFrames < 1 || numFrames > frameCount) {
    throw new InputError(
      `video "${name}": ${numFrames} frames are asked of ${frameCount}; expected 1 to ${frameCount}. Ask for fewer frames, or fewer a second.`,
    );
  }
}

const sequence = (length: number): number[] => Array.from({ length }, (_, i) => i);

/** Python's round and NumPy's: a half goes to the even neighbour. */
function roundHalfEven(value: number): number {
  const floor = Math.floor(value);
  if (value - floor !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}

/** NumPy's: `i * step + begin`, and the last value exactly `end`. */
function linspace(begin: number, end: number, count: number): number[] {
  const step = (end - begin) / (count - 1);
  return sequence(count).map((i) =>
    i === count - 1 && count > 1 ? end : i === 0 ? begin : i * step + begin,
  );
}
