import { ConfigError } from '../../core/errors.ts';
import type { Size2d } from '../../ops/feature-map.ts';
import type { ConfigReader } from '../config-reader.ts';
import { type LlavaDefaults, type LlavaParts, parseLlavaParts, tokenId } from '../llava/config.ts';
import { readPinpoints } from '../llava-next/anyres.ts';
import { checkSquareTiles } from '../llava-next/config.ts';

export interface LlavaOnevisionConfig extends LlavaParts {
  readonly videoTokenId: number;
  readonly imageGridPinpoints: readonly Size2d[];
  /** The N of `anyres_max_N`: a picture has about as many tiles' features at most. */
  readonly maxTiles: number;
}

/** https://huggingface.co/docs/transformers/model_doc/llava_onevision#transformers.LlavaOnevisionConfig */
const ONEVISION_DEFAULTS: LlavaDefaults = {
  modelType: 'siglip_vision_model',
  visionFeatureLayer: -1,
  visionFeatureSelectStrategy: 'full',
  textModelType: 'qwen2',
  imageTokenIndex: 151646,
};

const EDGES = [384, 768, 1152, 1536, 1920, 2304];

/** The class's own list, of files that have none: every height with every width. */
export const ONEVISION_PINPOINTS: readonly Size2d[] = EDGES.flatMap((height) =>
  EDGES.map((width): Size2d => [height, width]),
);

/** Throws ConfigError or UnsupportedError for fields that make no model. */
export function parseLlavaOnevisionConfig(json: ConfigReader): LlavaOnevisionConfig {
  const parts = parseLlavaParts(json, ONEVISION_DEFAULTS);
  checkSquareTiles(parts, json.where);
  return {
    ...parts,
    videoTokenId: tokenId(json, 'video_token', 151647),
    imageGridPinpoints: readPinpoints(json, ONEVISION_PINPOINTS),
    maxTiles: readMaxTiles(json),
  };
}

/** Of config.json or processor_config.json. Throws ConfigError for another form. */
export function readMaxTiles(json: ConfigReader): number {
  const aspectRatio = json.string('vision_aspect_ratio', 'anyres_max_9');
  const maxTiles = Number(/^anyres_max_([1-9]\d{0,3})$/.exec(aspectRatio)?.[1]);
  if (maxTiles > 0) return maxTiles;
  throw new ConfigError(
    `${json.where}: "vision_aspect_ratio" is "${aspectRatio}"; expected "anyres_max_" and a number.`,
  );
}
