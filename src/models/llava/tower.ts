import { ConfigError, invariant, UnsupportedError } from '../../core/errors.ts';
import { concat, reshape, slice } from '../../graph/movement.ts';
import type { Tensor } from '../../graph/tensor.ts';
import { type ClipVisionConfig, parseClipVisionConfig } from '../clip/config.ts';
import { clipVision } from '../clip/vision.ts';
import type { ConfigReader } from '../config-reader.ts';
import type { Parameters } from '../parameters.ts';
import { parseSiglipVisionConfig, type SiglipVisionConfig } from '../siglip/config.ts';
import { siglipVision } from '../siglip/vision.ts';

/** The vision tower of LLaVA and its descendants, and what they take of it. */
export type LlavaTower = {
  /** Indices into the tower's hidden states, as positive numbers; several are joined along the width. */
  readonly visionFeatureLayers: readonly number[];
  /** `default` drops the first row, CLIP's class token; `full` keeps all. */
  readonly visionFeatureSelectStrategy: 'default' | 'full';
} & (
  | { readonly kind: 'clip'; readonly vision: ClipVisionConfig }
  | { readonly kind: 'siglip'; readonly vision: SiglipVisionConfig }
);

/** What a family's config class gives to fields that a file leaves out. */
export interface LlavaTowerDefaults {
  readonly modelType: 'clip_vision_model' | 'siglip_vision_model';
  readonly visionFeatureLayer: number;
  readonly visionFeatureSelectStrategy: 'default' | 'full';
}

/** Throws UnsupportedError for another tower, ConfigError for a layer that the tower does not have. */
export function parseLlavaTower(json: ConfigReader, defaults: LlavaTowerDefaults): LlavaTower {
  const vision = json.object('vision_config');
  const modelType = vision.string('model_type', defaults.modelType);
  const selection = ({ numHiddenLayers }: ClipVisionConfig | SiglipVisionConfig) => ({
    visionFeatureLayers: json
      .integers('vision_feature_layer', [defaults.visionFeatureLayer])
      .map((layer) => hiddenStateIndex(layer, numHiddenLayers, json.where)),
    visionFeatureSelectStrategy: json.choice(
      'vision_feature_select_strategy',
      ['default', 'full'],
      defaults.visionFeatureSelectStrategy,
    ),
  });
  if (modelType === 'clip_vision_model') {
    const clip = parseClipVisionConfig(vision);
    return { kind: 'clip', vision: clip, ...selection(clip) };
  }
  if (modelType === 'siglip_vision_model') {
    const siglip = parseSiglipVisionConfig(vision);
    return { kind: 'siglip', vision: siglip, ...selection(siglip) };
  }
  throw new UnsupportedError(
    `${vision.where}: model_type "${modelType}" is no vision tower known here; expected "clip_vision_model" or "siglip_vision_model".`,
  );
}

/** Patches along a side of the tower's square pictures. */
export const patchesPerSide = ({ vision }: LlavaTower): number =>
  Math.floor(vision.imageSize / vision.patchSize);

/** Rows that a picture's features have: patches, and what the strategy leaves or takes. */
export const featuresPerTile = (tower: LlavaTower): number =>
  patchesPerSide(tower) ** 2 +
  (tower.kind === 'clip' ? 1 : 0) -
  (tower.visionFeatureSelectStrategy === 'default' ? 1 : 0);

/** Width of the features. */
export const featureWidth = ({ vision, visionFeatureLayers }: LlavaTower): number =>
  vision.hiddenSize * visionFeatureLayers.length;

/** The chosen layers of one picture, joined along the width. pixelValues [1, 3, H, W] → [features, Cv * layers] */
export function llavaFeatures(pixelValues: Tensor, tower: LlavaTower, w: Parameters): Tensor {
  const hiddenStates = towerStates(pixelValues, tower, w);
  const chosen = tower.visionFeatureLayers.map((layer) => {
    const state = hiddenStates[layer];
    invariant(state, `the tower has no hidden state ${layer}`);
    return state;
  });
  const [only] = chosen;
  const selected = chosen.length === 1 && only ? only : concat(chosen, -1);
  selected.named('vision.selected_layer');
  const kept = tower.visionFeatureSelectStrategy === 'default' ? slice(selected, 1, 1) : selected;
  return reshape(kept, [featuresPerTile(tower), featureWidth(tower)]);
}

/** All hidden states, none of which has gone through the tower's last norm. */
function towerStates(pixelValues: Tensor, tower: LlavaTower, w: Parameters): readonly Tensor[] {
  w.skip('post_layernorm');
  if (tower.kind === 'siglip') {
    w.skip('head'); // Pools the patches to one vector.
    return siglipVision(pixelValues, tower.vision, w);
  }
  const hiddenStates = clipVision(pixelValues, tower.vision, w);
  hiddenStates.at(-1)?.named('vision.last_hidden_state');
  return hiddenStates;
}

/** hidden_states holds the embeddings and each layer's output: numHiddenLayers + 1 of them. */
function hiddenStateIndex(layer: number, numHiddenLayers: number, where: string): number {
  const count = numHiddenLayers + 1;
  const index = layer < 0 ? layer + count : layer;
  if (index < 0 || index >= count) {
    throw new ConfigError(
      `${where}: "vision_feature_layer" is ${layer}, but the tower has ${count} hidden states; expected ${-count} to ${count - 1}.`,
    );
  }
  return index;
}
