import { ConfigError } from '../../core/errors.ts';
import type { Rgb } from '../../image/image-processor.ts';
import type { LevelConfig } from '../../image/level-table.ts';
import { type FilterName, filterByResampleCode } from '../../image/resample-filters.ts';
import type { ConfigReader } from '../../models/config-reader.ts';
import type { PixelLimits } from './smart-resize.ts';

/** How pictures become rows of patches. */
export interface PatchSettings extends LevelConfig {
  /** null where pictures stay as they are, and must be whole merged patches. */
  readonly limits: PixelLimits | null;
  readonly filter: FilterName;
  readonly patchSize: number;
  readonly temporalPatchSize: number;
  readonly mergeSize: number;
}

/** How a video is sampled. */
export interface SamplingSettings {
  readonly doSampleFrames: boolean;
  readonly numFrames: number | undefined;
  readonly fps: number | undefined;
  readonly minFrames: number;
  readonly maxFrames: number;
}

export interface VideoSettings extends PatchSettings {
  readonly sampling: SamplingSettings;
  /** Tokens that bound the pixels of a frame; null where only `limits` do. */
  readonly maxVideoTokens: number | null;
}

/** Values that a processor class of the reference gives to fields a file leaves out. */
export interface SettingDefaults {
  readonly minPixels: number;
  readonly maxPixels: number;
  /** Whether the limits may have the names they had before `size`. */
  readonly namesPixels: boolean;
  readonly patchSize: number;
  readonly mean: Rgb;
  readonly std: Rgb;
}

const CLIP_MEAN: Rgb = [0.48145466, 0.4578275, 0.40821073];
const CLIP_STD: Rgb = [0.26862954, 0.26130258, 0.27577711];

/** Qwen2VLImageProcessor, which all three families use. */
export const IMAGE_DEFAULTS: SettingDefaults = {
  minPixels: 56 * 56,
  maxPixels: 28 * 28 * 1280,
  namesPixels: true,
  patchSize: 14,
  mean: CLIP_MEAN,
  std: CLIP_STD,
};

export interface VideoDefaults extends SettingDefaults {
  readonly doSampleFrames: boolean;
  readonly fps: number | undefined;
  readonly maxVideoTokens: number;
}

/** Qwen2VLVideoProcessor. */
export const QWEN2_VIDEO_DEFAULTS: VideoDefaults = {
  ...IMAGE_DEFAULTS,
  minPixels: 128 * 28 * 28,
  maxPixels: 28 * 28 * 768,
  doSampleFrames: false,
  fps: undefined,
  maxVideoTokens: 128000,
};

/** Qwen3VLVideoProcessor. */
export const QWEN3_VIDEO_DEFAULTS: VideoDefaults = {
  minPixels: 128 * 32 * 32,
  maxPixels: 32 * 32 * 768,
  namesPixels: false,
  patchSize: 16,
  mean: [0.5, 0.5, 0.5],
  std: [0.5, 0.5, 0.5],
  doSampleFrames: true,
  fps: 2,
  maxVideoTokens: 768,
};

/** Throws ConfigError. */
export function parsePatchSettings(json: ConfigReader, defaults: SettingDefaults): PatchSettings {
  const filter = filterByResampleCode.get(json.integer('resample', 3));
  if (!filter) {
    throw new ConfigError(
      `${json.where}: "resample" is ${json.integer('resample')}; expected a Pillow resampling code, 0 to 5.`,
    );
  }
  return {
    limits: json.boolean('do_resize', true) ? readLimits(json, defaults) : null,
    filter,
    patchSize: json.count('patch_size', defaults.patchSize),
    temporalPatchSize: json.count('temporal_patch_size', 2),
    mergeSize: json.count('merge_size', 2),
    rescaleFactor: json.boolean('do_rescale', true)
      ? positive(json, 'rescale_factor', json.number('rescale_factor', 1 / 255))
      : null,
    normalize: json.boolean('do_normalize', true)
      ? { mean: readRgb(json, 'image_mean', defaults.mean), std: readStd(json, defaults.std) }
      : null,
  };
}

/** Throws ConfigError. */
export function parseVideoSettings(json: ConfigReader, defaults: VideoDefaults): VideoSettings {
  const settings = parsePatchSettings(json, defaults);
  const fps = json.has('fps') ? positive(json, 'fps', json.number('fps')) : defaults.fps;
  return {
    ...settings,
    sampling: {
      doSampleFrames: json.boolean('do_sample_frames', defaults.doSampleFrames),
      numFrames: json.has('num_frames') ? json.count('num_frames') : undefined,
      fps,
      minFrames: json.count('min_frames', 4),
      maxFrames: json.count('max_frames', 768),
    },
    maxVideoTokens: json.boolean('cap_pixels_per_frame', false)
      ? json.count('max_video_tokens', defaults.maxVideoTokens)
      : null,
  };
}

/** `size` with its edges, which stand for pixels, or the names they had before: `min_pixels` and `max_pixels` go first. */
function readLimits(json: ConfigReader, defaults: SettingDefaults): PixelLimits {
  const size = json.optionalObject('size');
  const limit = (name: string, edge: string, fallback: number): number => {
    if (defaults.namesPixels && json.has(name)) return json.count(name);
    return size ? size.count(edge) : fallback;
  };
  const limits = {
    minPixels: limit('min_pixels', 'shortest_edge', defaults.minPixels),
    maxPixels: limit('max_pixels', 'longest_edge', defaults.maxPixels),
  };
  if (limits.minPixels <= limits.maxPixels) return limits;
  throw new ConfigError(
    `${json.where}: pictures of at least ${limits.minPixels} and at most ${limits.maxPixels} pixels are asked for; expected the first no greater.`,
  );
}

function readRgb(json: ConfigReader, field: string, fallback: Rgb): Rgb {
  const value = json.has(field) ? json.value(field) : fallback;
  const numbers: readonly unknown[] = Array.isArray(value) ? value : [];
  const [red, green, blue] = numbers.filter((n): n is number => typeof n === 'number' && Number.isFinite(n));
  if (numbers.length === 3 && red !== undefined && green !== undefined && blue !== undefined) {
    return [red, green, blue];
  }
  throw new ConfigError(
    `${json.where}: "${field}" is ${JSON.stringify(value)}; expected three finite numbers.`,
  );
}

function readStd(json: ConfigReader, fallback: Rgb): Rgb {
  const std = readRgb(json, 'image_std', fallback);
  for (const value of std) positive(json, 'image_std', value);
  return std;
}

function positive(json: ConfigReader, field: string, value: number): number {
  if (value > 0) return value;
  throw new ConfigError(`${json.where}: "${field}" is ${value}; expected a positive number.`);
}
