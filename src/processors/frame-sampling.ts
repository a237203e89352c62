import { InputError } from '../core/errors.ts';
import { roundHalfEven } from '../core/round-half-even.ts';
import type { FrameSampling, VideoClip } from './processor.ts';

/**
 * Indices of the frames to take of a video: `numFrames` of them, or `fps` a second, evenly from the first on; all where
 * neither is asked for. Reference: default_sample_indices_fn of transformers 5.23, video_utils.py.
 * Throws InputError where there are fewer frames, or frames without time are asked for by it.
 */
export function uniformFrames(
  { frameCount, fps }: Pick<VideoClip, 'frameCount' | 'fps'>,
  wish: FrameSampling,
): readonly number[] {
  let count = wish.numFrames;
  if (count === undefined && wish.fps !== undefined) {
    if (fps === null) {
      throw new InputError(
        `video: ${wish.fps} frames a second are asked of frames without time; expected a video, or frames with their rate. Ask for a number of frames.`,
      );
    }
    count = Math.max(1, Math.trunc((frameCount / fps) * wish.fps));
  }
  const taken = count ?? frameCount;
  if (!Number.isInteger(taken) || taken < 1 || taken > frameCount) {
    throw new InputError(
      `video: ${taken} frames are asked of ${frameCount}; expected 1 to ${frameCount}. Ask for fewer frames, or fewer a second.`,
    );
  }
  return Array.from({ length: taken }, (_, i) => Math.floor((i * frameCount) / taken));
}

/** Seconds that SmolVLM leaves out at either end of a video that is long enough. */
const SKIPPED_SECONDS = 1;

/**
 * SmolVLM's rule: `fps` frames a second but at most `numFrames`, from the first to the last, both included.
 * Reference: SmolVLMVideoProcessor.sample_frames.
 */
export function smolVlmFrames(
  video: { readonly frameCount: number; readonly fps: number; readonly durationSeconds: number },
  { numFrames, fps }: { readonly numFrames: number; readonly fps: number },
): readonly number[] {
  const { frameCount, durationSeconds } = video;
  const count = Math.max(1, Math.min(roundHalfEven(fps * durationSeconds), numFrames));
  const last = frameCount - 1;
  let [begin, end] = [0, last];
  if (durationSeconds - 2 * SKIPPED_SECONDS > numFrames * fps) {
    begin = Math.trunc(SKIPPED_SECONDS * video.fps);
    end = Math.min(Math.trunc(frameCount - SKIPPED_SECONDS * video.fps), last);
    if (begin >= end) [begin, end] = [0, last];
  }
  const step = count > 1 ? (end - begin) / (count - 1) : 0;
  const at = (i: number): number => (i > 0 && i === count - 1 ? end : Math.trunc(begin + i * step));
  return [...new Set(Array.from({ length: count }, (_, i) => at(i)))];
}
