import { ConfigError, UnsupportedError } from '../core/errors.ts';
import { type FilterName, filterByResampleCode } from './resample-filters.ts';

/** How a checkpoint turns a picture into pixel values, read from its preprocessor_config.json. */
export type ImageProcessorConfig = {
  readonly resize: ResizeTarget | null;
  readonly filter: FilterName;
  readonly centerCrop: PixelSize | null;
  /** Factor from 8-bit levels to the model's range, or null to leave them as they are. */
  readonly rescaleFactor: number | null;
  readonly normalize: { readonly mean: Rgb; readonly std: Rgb } | null;
};

/** What a processor has whatever it does with a picture's size. */
export type PixelFields = Pick<ImageProcessorConfig, 'filter' | 'rescaleFactor' | 'normalize'>;

export type Rgb = readonly [number, number, number];
export type PixelSize = { readonly height: number; readonly width: number };
export type ResizeTarget =
  | { readonly kind: 'exact'; readonly height: number; readonly width: number }
  | { readonly kind: 'shortest-edge'; readonly edge: number };

type Json = Readonly<Record<string, unknown>>;

/**
 * What the reference classes assume where a file leaves a field out, as old and short ones do.
 * Source: the class attributes of transformers' image_processing_pil_clip.py, _llava.py, _siglip.py and _gemma3.py.
 */
const clipDefaults: Json = {
  resample: 3,
  do_center_crop: true,
  size: { shortest_edge: 224 },
  crop_size: { height: 224, width: 224 },
  image_mean: [0.48145466, 0.4578275, 0.40821073],
  image_std: [0.26862954, 0.26130258, 0.27577711],
};
const siglipDefaults: Json = {
  resample: 3,
  size: { height: 224, width: 224 },
  image_mean: [0.5, 0.5, 0.5],
  image_std: [0.5, 0.5, 0.5],
};

const defaultsByType: ReadonlyMap<string, Json> = new Map([
  ['CLIPImageProcessor', clipDefaults],
  ['CLIPFeatureExtractor', clipDefaults],
  ['LlavaImageProcessor', clipDefaults],
  ['SiglipImageProcessor', siglipDefaults],
  ['Gemma3ImageProcessor', { ...siglipDefaults, resample: 2 }],
]);

/**
 * Parses a preprocessor_config.json, or a processor_config.json that nests one under `image_processor`.
 * Throws ConfigError for a type that is not known, and for a field that is missing or odd, UnsupportedError
 * for one that pads.
 */
export function parseImageProcessor(json: unknown): ImageProcessorConfig {
  const outer = asObject(json, 'the file');
  const config = 'image_processor' in outer ? asObject(outer.image_processor, 'image_processor') : outer;
  const defaults = defaultsOf(config);
  if (readFlag(config, 'do_pad', false)) {
    throw new UnsupportedError(
      'image processor config: do_pad is true; expected a processor that does not pad.',
    );
  }
  const given = Object.entries(config).filter(([, value]) => value !== null && value !== undefined);
  return parseProcessorFields({ ...defaults, ...Object.fromEntries(given) });
}

/** The fields of a processor of pictures or frames, whatever type it says to be. Throws ConfigError for odd ones. */
export function parseProcessorFields(config: Json): ImageProcessorConfig {
  return {
    resize: readFlag(config, 'do_resize', true) ? readResizeTarget(config) : null,
    centerCrop: readFlag(config, 'do_center_crop', false) ? readCropSize(config) : null,
    ...parsePixelFields(config),
  };
}

/** Throws ConfigError for odd fields. */
export function parsePixelFields(config: Json): PixelFields {
  return {
    filter: readFilter(config),
    rescaleFactor: readFlag(config, 'do_rescale', true) ? readRescaleFactor(config) : null,
    normalize: readFlag(config, 'do_normalize', true)
      ? { mean: readRgb(config, 'image_mean'), std: readStd(config) }
      : null,
  };
}

/** Height and width of every `preprocess` output, or null when they follow the picture's. */
export function outputSize(config: ImageProcessorConfig): PixelSize | null {
  if (config.centerCrop) return config.centerCrop;
  return config.resize?.kind === 'exact' ? config.resize : null;
}

function defaultsOf(config: Json): Json {
  // Checkpoints from before transformers 4.26 name the type so.
  const type = config.image_processor_type ?? config.feature_extractor_type;
  // "Fast" and "Pil" name the backend that wrote the file, not other arithmetic.
  const family = typeof type === 'string' ? type.replace(/(Fast|Pil)$/, '') : '';
  const defaults = defaultsByType.get(family);
  if (!defaults) {
    throw wrong('image_processor_type', type, `one of ${[...defaultsByType.keys()].join(', ')}`);
  }
  return defaults;
}

function readResizeTarget(config: Json): ResizeTarget {
  const { size } = config;
  // A bare number is the shortest edge (CLIP checkpoints of 2021); Siglip has always written both edges.
  if (isPixels(size)) return { kind: 'shortest-edge', edge: size };
  const { shortest_edge: edge, height, width, ...rest } = asObject(size, 'size');
  if (Object.keys(rest).length === 0) {
    if (isPixels(edge) && height === undefined && width === undefined) return { kind: 'shortest-edge', edge };
    if (isPixels(height) && isPixels(width) && edge === undefined) return { kind: 'exact', height, width };
  }
  throw wrong('size', size, '{ shortest_edge } or { height, width } in whole pixels');
}

function readCropSize(config: Json): PixelSize {
  const { crop_size: size } = config;
  if (isPixels(size)) return { height: size, width: size };
  const { height, width } = asObject(size, 'crop_size');
  if (!isPixels(height) || !isPixels(width)) {
    throw wrong('crop_size', size, '{ height, width } in whole pixels');
  }
  return { height, width };
}

function readFilter(config: Json): FilterName {
  const code = config.resample;
  const filter = typeof code === 'number' ? filterByResampleCode.get(code) : undefined;
  if (!filter) throw wrong('resample', code, 'a Pillow resampling code, 0 to 5');
  return filter;
}

function readRescaleFactor(config: Json): number {
  const factor = config.rescale_factor ?? 1 / 255;
  if (typeof factor !== 'number' || !Number.isFinite(factor) || factor <= 0) {
    throw wrong('rescale_factor', factor, 'a positive number');
  }
  return factor;
}

function readStd(config: Json): Rgb {
  const std = readRgb(config, 'image_std');
  if (std.some((value) => value <= 0)) throw wrong('image_std', std, 'three positive numbers');
  return std;
}

function readRgb(config: Json, name: string): Rgb {
  const value = config[name];
  const numbers = Array.isArray(value)
    ? value.filter((v) => typeof v === 'number' && Number.isFinite(v))
    : [];
  const [red, green, blue] = numbers as number[];
  if (
    !Array.isArray(value) ||
    value.length !== 3 ||
    red === undefined ||
    green === undefined ||
    blue === undefined
  ) {
    throw wrong(name, value, 'three finite numbers');
  }
  return [red, green, blue];
}

function readFlag(config: Json, name: string, otherwise: boolean): boolean {
  const value = config[name] ?? otherwise;
  if (typeof value !== 'boolean') throw wrong(name, value, 'true or false');
  return value;
}

/** No tower takes edges near this; a larger one can only be a mistake, and would ask for gigabytes. */
const isPixels = (value: unknown): value is number =>
  typeof value === 'number' && Number.isInteger(value) && value > 0 && value <= 16_384;

function asObject(value: unknown, name: string): Json {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw wrong(name, value, 'an object');
  return value as Json;
}

const wrong = (name: string, value: unknown, expected: string): ConfigError =>
  new ConfigError(
    `image processor config: ${name} is ${JSON.stringify(value) ?? 'missing'}; expected ${expected}.`,
  );
