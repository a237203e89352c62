import { ConfigError, UnsupportedError } from '../core/errors.ts';
import { resizeFrame } from '../image/frame-values.ts';
import { type PixelFields, type PixelSize, parsePixelFields } from '../image/image-processor.ts';
import { torchLevels } from '../image/level-table.ts';
import { toPixelValues } from '../image/preprocess.ts';
import { type ConfigReader, withDefaults } from '../models/config-reader.ts';
import { smolVlmFrames } from './frame-sampling.ts';
import { numberInWords } from './number-words.ts';
import type { FrameSampling, Medium, ProcessedMedium, VideoClip } from './processor.ts';
import { pixelEdge, readSize } from './split-size.ts';

/** What SmolVLMVideoProcessor takes where a file says nothing. */
const VIDEO_DEFAULTS = {
  resample: 1,
  image_mean: [0.5, 0.5, 0.5],
  image_std: [0.5, 0.5, 0.5],
  size: { longest_edge: 4 * 364 },
  max_image_size: { longest_edge: 364 },
};

/** The rate that frames without time are taken to have. */
const ASSUMED_FPS = 24;

/** The reference's own, which it takes for a conversation with a video, whatever the checkpoint has. */
export const VIDEO_CHAT_TEMPLATE =
  "<|im_start|>{% for message in messages %}{{ message['role'] | capitalize }}" +
  "{% if message['content'][0]['type'] == 'image' %}{{ ':' }}{% else %}{{ ': ' }}{% endif %}" +
  "{% for part in message['content'] %}{% if part['type'] == 'text' %}{{ part['text'] }}" +
  "{% elif part['type'] == 'image' %}{{ '<image>' }}{% elif part['type'] == 'video' %}{{ '<video>' }}{% endif %}{% endfor %}" +
  "<end_of_utterance>\n{% endfor %}{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}";

/** How frames are made and how many are taken. */
export interface SmolVlmVideo {
  readonly pixels: PixelFields;
  readonly sizeOf: (size: PixelSize) => PixelSize;
  readonly side: number;
  readonly numFrames: number | undefined;
  readonly fps: number | undefined;
}

/** Throws ConfigError for frames that are not as large as a picture's tiles, `side`, UnsupportedError for any size. */
export function parseSmolVlmVideo(videoProcessor: ConfigReader, side: number): SmolVlmVideo {
  const json = withDefaults(videoProcessor, VIDEO_DEFAULTS);
  // Older files keep the sampling apart, and what stands there wins but for a size given outside.
  const sampling = videoProcessor.optionalObject('video_sampling');
  const size = videoProcessor.has('size') || !sampling ? json.object('size') : sampling.object('video_size');
  const frameSide = pixelEdge(json.object('max_image_size'), 'longest_edge');
  if (frameSide !== side) {
    throw new ConfigError(
      `${videoProcessor.where}: max_image_size makes frames of ${frameSide} pixels, that of pictures tiles of ${side}; expected the same.`,
    );
  }
  const [numFrames, fps] = sampling
    ? [sampling.count('max_frames'), sampling.number('fps')]
    : [optionalNumber(json, 'num_frames'), optionalNumber(json, 'fps')];
  if (!json.boolean('do_resize', true)) {
    throw new UnsupportedError(
      `${videoProcessor.where}: do_resize is false; expected frames that are resized.`,
    );
  }
  return { pixels: parsePixelFields(json.json), sizeOf: readSize(size), side, numFrames, fps };
}

const optionalNumber = (json: ConfigReader, field: string): number | undefined =>
  json.has(field) ? json.number(field) : undefined;

/**
 * A video as frames of one size, each with its time before it. `frameText` stands for a frame, which has `frameTokens`
 * image tokens. Reference: SmolVLMVideoProcessor and SmolVLMProcessor.replace_video_token.
 */
export function smolVlmVideo(
  { video, key, sampling }: Extract<Medium, { kind: 'video' }>,
  config: SmolVlmVideo,
  frameText: string,
  frameTokens: number,
): ProcessedMedium {
  const indices = chooseFrames(video, config, sampling);
  const fps = video.fps ?? ASSUMED_FPS;
  const tileSeconds = indices.map((index) => index / fps);
  const duration = Math.trunc(video.durationSeconds ?? tileSeconds.at(-1) ?? 0);
  const frames = tileSeconds.map((seconds) => `\nFrame from ${minutesAndSeconds(seconds)}:${frameText}`);
  return {
    kind: 'video',
    key,
    layout: {
      tile: { kind: 'video', shape: [3, config.side, config.side] },
      tiles: indices.length,
      tokens: indices.length * frameTokens,
    },
    tileSeconds,
    text: `You are provided the following series of ${numberInWords(indices.length)} frames from a ${hours(duration)} [H:MM:SS] video.\n${frames.join('')}\n\n`,
    async *tiles() {
      const { pixels, sizeOf, side } = config;
      for await (const frame of video.frames(indices)) {
        const resized = resizeFrame(frame, sizeOf(frame), pixels.filter);
        const square = resizeFrame(resized, { width: side, height: side }, pixels.filter);
        yield toPixelValues(square, pixels, torchLevels).pixelValues;
      }
    },
  };
}

/** The frames of a film by the processor's rule; all of a list of pictures, which has no time. */
function chooseFrames(video: VideoClip, config: SmolVlmVideo, wish: FrameSampling): readonly number[] {
  const { frameCount, fps, durationSeconds } = video;
  const numFrames = wish.numFrames ?? config.numFrames;
  const rate = wish.fps ?? config.fps;
  if (fps === null || durationSeconds === null || (numFrames ?? rate) === undefined) {
    return Array.from({ length: frameCount }, (_, i) => i);
  }
  return smolVlmFrames(
    { frameCount, fps, durationSeconds },
    { numFrames: numFrames ?? frameCount, fps: rate ?? fps },
  );
}

const twoDigits = (value: number): string => String(Math.trunc(value)).padStart(2, '0');

const minutesAndSeconds = (seconds: number): string =>
  `${twoDigits(seconds / 60)}:${twoDigits(seconds % 60)}`;

/** Python's str(timedelta): hours without a leading zero, days before them. */
function hours(seconds: number): string {
  const days = Math.floor(seconds / 86400);
  const clock = `${Math.floor((seconds % 86400) / 3600)}:${twoDigits((seconds % 3600) / 60)}:${twoDigits(seconds % 60)}`;
  return days === 0 ? clock : `${days} day${days === 1 ? '' : 's'}, ${clock}`;
}
