import { ConfigError, invariant, UnsupportedError } from '../../core/errors.ts';
import { slice } from '../../graph/movement.ts';
import type { Tensor } from '../../graph/tensor.ts';
import type { Size2d } from '../../ops/feature-map.ts';
import { type ClipVisionConfig, parseClipVisionConfig } from '../clip/config.ts';
import { clipVision } from '../clip/vision.ts';
import type { ConfigReader } from '../config-reader.ts';
import type { Parameters } from '../parameters.ts';
import { parseSiglipVisionConfig, type SiglipVisionConfig } from '../siglip/config.ts';
import { siglipLastHiddenState, siglipVision } from '../siglip/vision.ts';

/** A vision tower, as `composeVlm` takes it. */
export interface VisionEncoder {
  /** A word for it: `clip`. */
  readonly name: string;
  /** Width of the patches. */
  readonly hiddenSize: number;
  /** Shape of a picture's pixel values: [channels, height, width]. */
  readonly imageShape: readonly [channels: number, height: number, width: number];
  /** Rows and columns of patches. */
  readonly patchGrid: Size2d;
  /** pixelValues [1, ...imageShape] → [1, P, hiddenSize], row by row, without a class token. */
  encode(pixelValues: Tensor, w: Parameters): Tensor;
}

/** What of a tower is taken as its features. */
export interface EncoderOptions {
  /**
   * Which hidden state to take: 0 is what goes into the first layer, n what comes out of layer n, negative ones count
   * from the last. CLIP: -2 unless told, as LLaVA. SigLIP: the last after `post_layernorm` unless told, as PaliGemma.
   */
  readonly featureLayer?: number | undefined;
}

/** CLIP's tower. Throws ConfigError for a layer that it does not have. */
export function clipEncoder(
  config: ClipVisionConfig,
  { featureLayer = -2 }: EncoderOptions = {},
): VisionEncoder {
  const layer = layerIndex(featureLayer, config.numHiddenLayers, 'clip');
  return {
    name: 'clip',
    ...sizesOf(config),
    encode(pixelValues, w) {
      w.skip('post_layernorm'); // Norm of the pooled output.
      return slice(pick(clipVision(pixelValues, config, w), layer), 1, 1); // The class token is row 0.
    },
  };
}

/** SigLIP's tower. Throws ConfigError for a layer that it does not have. */
export function siglipEncoder(
  config: SiglipVisionConfig,
  { featureLayer }: EncoderOptions = {},
): VisionEncoder {
  const layer =
    featureLayer === undefined ? undefined : layerIndex(featureLayer, config.numHiddenLayers, 'siglip');
  return {
    name: 'siglip',
    ...sizesOf(config),
    encode(pixelValues, w) {
      w.skip('head'); // Pools the patches to one vector.
      const hiddenStates = siglipVision(pixelValues, config, w);
      if (layer === undefined) return siglipLastHiddenState(pick(hiddenStates, -1), config, w);
      w.skip('post_layernorm');
      return pick(hiddenStates, layer);
    },
  };
}

/** The tower of a `vision_config`, by its `model_type`. Throws UnsupportedError for one not known here, ConfigError for bad fields. */
export function readEncoder(json: ConfigReader, options: EncoderOptions = {}): VisionEncoder {
  const modelType = json.string('model_type');
  if (modelType === 'clip_vision_model') return clipEncoder(parseClipVisionConfig(json), options);
  if (modelType === 'siglip_vision_model') return siglipEncoder(parseSiglipVisionConfig(json), options);
  throw new UnsupportedError(
    `${json.where}: model_type "${modelType}" is no vision tower known here; expected "clip_vision_model" or "siglip_vision_model".`,
  );
}

interface TowerConfig {
  readonly hiddenSize: number;
  readonly numChannels: number;
  readonly imageSize: number;
  readonly patchSize: number;
}

function sizesOf({ hiddenSize, numChannels, imageSize, patchSize }: TowerConfig) {
  const side = Math.floor(imageSize / patchSize);
  return {
    hiddenSize,
    imageShape: [numChannels, imageSize, imageSize],
    patchGrid: [side, side],
  } as const;
}

function pick(hiddenStates: readonly Tensor[], layer: number): Tensor {
  const state = hiddenStates.at(layer);
  invariant(state, `the tower has no hidden state ${layer}`);
  return state.named('vision.selected_layer');
}

function layerIndex(featureLayer: number, numHiddenLayers: number, name: string): number {
  const count = numHiddenLayers + 1;
  const index = featureLayer < 0 ? featureLayer + count : featureLayer;
  if (Number.isInteger(index) && index >= 0 && index < count) return index;
  throw new ConfigError(
    `${name} encoder: featureLayer is ${featureLayer}, but the tower has ${count} hidden states; expected ${-count} to ${count - 1}.`,
  );
}
