import { preprocessFrame } from '../image/frame-values.ts';
import { type ImageProcessorConfig, parseProcessorFields } from '../image/image-processor.ts';
import { type ConfigReader, withDefaults } from '../models/config-reader.ts';
import type { VisionLayout } from '../models/model.ts';
import { checkedPixels } from './fixed-size.ts';
import { uniformFrames } from './frame-sampling.ts';
import type { FrameSampling, Medium, ProcessedMedium, VideoClip } from './processor.ts';

/** What the reference's plain video processors read. */
export interface VideoProcessor {
  readonly frame: ImageProcessorConfig;
  /** Frames that the file asks for, where the caller does not say. */
  readonly sampling: FrameSampling;
}

/** Throws ConfigError for odd fields. */
export function parseVideoProcessor(
  videoProcessor: ConfigReader,
  defaults: Readonly<Record<string, unknown>>,
): VideoProcessor {
  const json = withDefaults(videoProcessor, defaults);
  const optional = (field: string): number | undefined => (json.has(field) ? json.number(field) : undefined);
  const samples = json.boolean('do_sample_frames', false);
  return {
    frame: parseProcessorFields(json.json),
    sampling: samples ? { numFrames: optional('num_frames'), fps: optional('fps') } : {},
  };
}

/** A video as frames of the tower's size, one tile each; `tokensOf` counts the tokens of so many frames. */
export function framesOfVideo(
  { video, key, sampling }: Extract<Medium, { kind: 'video' }>,
  processor: VideoProcessor,
  tileShape: VisionLayout['tile']['shape'],
  tokensOf: (frames: number) => number,
): ProcessedMedium {
  const indices = chooseFrames(video, sampling, processor.sampling);
  const layout: VisionLayout = {
    tile: { kind: 'video', shape: tileShape },
    tiles: indices.length,
    tokens: tokensOf(indices.length),
  };
  const { fps } = video;
  return {
    kind: 'video',
    key,
    layout,
    ...(fps === null ? {} : { tileSeconds: indices.map((index) => index / fps) }),
    async *tiles() {
      for await (const frame of video.frames(indices)) {
        yield checkedPixels(preprocessFrame(frame, processor.frame), layout);
      }
    },
  };
}

/** What the caller asks for, or what the file does. */
function chooseFrames(video: VideoClip, wish: FrameSampling, sampling: FrameSampling): readonly number[] {
  const isAsked = wish.numFrames !== undefined || wish.fps !== undefined;
  return uniformFrames(video, isAsked ? wish : sampling);
}
