import { InputError } from '../../core/errors.ts';
import { roundHalfEven } from '../../core/round-half-even.ts';
import type { FrameSampling, VideoClip } from '../processor.ts';
import type { VideoSettings } from './settings.ts';

/** Frames taken of a video, and how fast they then follow one another. */
export interface SampledFrames {
  readonly indices: readonly number[];
  /** Frames per second of the video itself. */
  readonly fps: number;
  /** Of the frames taken. */
  readonly sampledFps: number;
}

/** What the reference assumes of frames without time. */
const UNKNOWN_FPS = 24;

/** Which frames to take of a clip. */
export type SampleRule = (clip: VideoClip, settings: VideoSettings, wish: FrameSampling) => readonly number[];

/** The caller's wish before the file's, and a number of frames before a rate. */
export function sampleFrames(
  clip: VideoClip,
  settings: VideoSettings,
  wish: FrameSampling,
  rule: SampleRule,
): SampledFrames {
  const { doSampleFrames, numFrames, fps } = settings.sampling;
  const isAsked = wish.numFrames !== undefined || wish.fps !== undefined;
  const asked = isAsked ? wish : { numFrames, fps: numFrames === undefined ? fps : undefined };
  const indices = isAsked || doSampleFrames ? rule(clip, settings, asked) : range(clip.frameCount);
  const clipFps = clip.fps ?? UNKNOWN_FPS;
  const sampledFps = clip.fps === null ? UNKNOWN_FPS : (indices.length / clip.frameCount) * clip.fps;
  return { indices, fps: clipFps, sampledFps };
}

/** Reference: Qwen2VLVideoProcessor.sample_frames. Throws InputError where there are fewer frames than asked for. */
export const qwen2Frames: SampleRule = (clip, { temporalPatchSize, sampling }, { numFrames, fps }) => {
  const { frameCount: total } = clip;
  const whole = (frames: number, round: (value: number) => number): number =>
    round(frames / temporalPatchSize) * temporalPatchSize;
  let count: number | undefined;
  if (numFrames !== undefined) count = whole(numFrames, roundHalfEven);
  else if (fps !== undefined) {
    if (clip.fps === null) {
      throw new InputError(
        `video: ${fps} frames per second are asked of a list of pictures, which has no time; expected a number of frames.`,
      );
    }
    const most = whole(Math.min(sampling.maxFrames, total), Math.floor);
    const rate = Math.min(Math.max((total / clip.fps) * fps, sampling.minFrames), most, total);
    count = whole(rate, Math.floor);
  }
  if (count === undefined) return range(total);
  checkCount(count, total);
  // torch.arange: the product in double, stored as float, cut off.
  const step = total / count;
  return range(Math.ceil(total / step)).map((i) => Math.min(Math.trunc(Math.fround(i * step)), total - 1));
};

/** Reference: Qwen3VLVideoProcessor.sample_frames. Frames of unknown time are taken for 24 per second. */
export const qwen3Frames: SampleRule = (clip, { sampling }, { numFrames, fps }) => {
  const { frameCount: total } = clip;
  const { minFrames, maxFrames } = sampling;
  let count = numFrames;
  if (count === undefined && fps !== undefined) {
    const rate = Math.trunc((total / (clip.fps ?? UNKNOWN_FPS)) * fps);
    count = Math.min(Math.max(rate, minFrames), maxFrames, total);
  }
  count ??= Math.min(Math.max(total, minFrames), maxFrames);
  checkCount(count, Number.POSITIVE_INFINITY);
  return linspace(total - 1, count).map(roundHalfEven);
};

/** NumPy's: evenly from 0 to `last`, both included. */
function linspace(last: number, count: number): number[] {
  const step = last / (count - 1);
  return range(count).map((i) => (i === count - 1 && count > 1 ? last : i === 0 ? 0 : i * step));
}

function checkCount(count: number, total: number): void {
  if (count >= 1 && count <= total) return;
  throw new InputError(
    `video: ${count} frames are asked of ${total}; expected at least one, and no more than there are.`,
  );
}

const range = (length: number): number[] => Array.from({ length }, (_, i) => i);
