import { ConfigError } from '../../core/errors.ts';
import type { Size2d } from '../../ops/feature-map.ts';
import type { ConfigReader } from '../config-reader.ts';
import { type LlavaDefaults, type LlavaParts, parseLlavaParts, tokenId } from '../llava/config.ts';
import { featuresPerTile, patchesPerSide } from '../llava/tower.ts';
import { readPinpoints } from './anyres.ts';

/** LLaVA-NeXT and LLaVA-NeXT-Video. */
export interface LlavaNextConfig extends LlavaParts {
  readonly imageGridPinpoints: readonly Size2d[];
  /** Only of LLaVA-NeXT-Video. */
  readonly video?: VideoPooling & { readonly videoTokenId: number };
}

/** How frames are made smaller before the projector. */
export interface VideoPooling {
  readonly spatialPoolMode: 'average' | 'max' | 'conv';
  readonly spatialPoolStride: number;
}

/** https://huggingface.co/docs/transformers/model_doc/llava_next#transformers.LlavaNextConfig */
const NEXT_DEFAULTS: LlavaDefaults = {
  modelType: 'clip_vision_model',
  visionFeatureLayer: -2,
  visionFeatureSelectStrategy: 'default',
  textModelType: 'llama',
  imageTokenIndex: 32000,
};

/** Both families' own list, of files that have none. */
export const NEXT_PINPOINTS: readonly Size2d[] = [
  [336, 672],
  [672, 336],
  [672, 672],
  [1008, 336],
  [336, 1008],
];

export function parseLlavaNextConfig(json: ConfigReader): LlavaNextConfig {
  const parts = parseLlavaParts(json, NEXT_DEFAULTS);
  checkSquareTiles(parts, json.where);
  return { ...parts, imageGridPinpoints: readPinpoints(json, NEXT_PINPOINTS) };
}

/** Fallbacks: https://huggingface.co/docs/transformers/model_doc/llava_next_video#transformers.LlavaNextVideoConfig */
export function parseLlavaNextVideoConfig(json: ConfigReader): LlavaNextConfig {
  const parts = parseLlavaParts(json, { ...NEXT_DEFAULTS, imageTokenIndex: 32001 });
  checkSquareTiles(parts, json.where);
  return {
    ...parts,
    imageGridPinpoints: readPinpoints(json, NEXT_PINPOINTS),
    video: {
      videoTokenId: tokenId(json, 'video_token', 32000),
      spatialPoolMode: json.choice('spatial_pool_mode', ['average', 'max', 'conv'], 'average'),
      spatialPoolStride: json.count('spatial_pool_stride', 2),
    },
  };
}

/** Tiles are laid side by side, which takes all of their patches and nothing else. Throws ConfigError. */
export function checkSquareTiles({ tower }: LlavaParts, where: string): void {
  const [features, side] = [featuresPerTile(tower), patchesPerSide(tower)];
  if (features === side ** 2) return;
  throw new ConfigError(
    `${where}: vision_feature_select_strategy "${tower.visionFeatureSelectStrategy}" takes ${features} features of a ${tower.kind} tower of ${side}x${side} patches; expected ${side ** 2}. Use ${tower.kind === 'clip' ? '"default", which drops the class token' : '"full": the tower has no class token'}.`,
  );
}
