import { ConfigError, UnsupportedError } from '../../core/errors.ts';
import type { Activation } from '../../ops/activation.ts';
import { readActivation } from '../activation-name.ts';
import { type ClipVisionConfig, numPatches, parseClipVisionConfig } from '../clip/config.ts';
import type { ConfigReader } from '../config-reader.ts';
import type { LlamaConfig } from '../llama/config.ts';
import { parseTextConfig } from '../text-config.ts';

/** LLaVA 1.5: a CLIP tower, a projector and a Llama-style decoder. */
export interface LlavaConfig {
  readonly vision: ClipVisionConfig;
  readonly text: LlamaConfig;
  readonly projector: 'linear' | 'mlp';
  readonly projectorHiddenAct: Activation;
  readonly projectorBias: boolean;
  /** Indices into the tower's hidden states, as positive numbers; several are joined along the width. */
  readonly visionFeatureLayers: readonly number[];
  /** `default` drops the class token, `full` keeps it. */
  readonly visionFeatureSelectStrategy: 'default' | 'full';
  readonly imageTokenId: number;
  readonly tieWordEmbeddings: boolean;
}

/** Fallbacks: https://huggingface.co/docs/transformers/model_doc/llava#transformers.LlavaConfig */
export function parseLlavaConfig(json: ConfigReader): LlavaConfig {
  const vision = parseClipVisionConfig(visionConfig(json));
  const text = parseTextConfig(json.object('text_config'));
  return {
    vision,
    text,
    // LLaVA 1 had one linear layer; its own config names it, transformers' class has no field for it.
    projector:
      json.choice('mm_projector_type', ['linear', 'mlp2x_gelu'], 'mlp2x_gelu') === 'linear'
        ? 'linear'
        : 'mlp',
    projectorHiddenAct: readActivation(json, 'projector_hidden_act', 'gelu'),
    projectorBias: json.boolean('multimodal_projector_bias', true),
    visionFeatureLayers: json
      .integers('vision_feature_layer', [-2])
      .map((layer) => hiddenStateIndex(layer, vision, json.where)),
    visionFeatureSelectStrategy: json.choice(
      'vision_feature_select_strategy',
      ['default', 'full'],
      'default',
    ),
    imageTokenId: json.has('image_token_id')
      ? json.integer('image_token_id')
      : json.integer('image_token_index', 32000),
    tieWordEmbeddings: json.boolean('tie_word_embeddings', false) || text.tieWordEmbeddings,
  };
}

/** Image tokens of one picture. */
export const tokensPerImage = (config: LlavaConfig): number =>
  numPatches(config.vision) + (config.visionFeatureSelectStrategy === 'full' ? 1 : 0);

function visionConfig(json: ConfigReader): ConfigReader {
  const vision = json.object('vision_config');
  const modelType = vision.string('model_type', 'clip_vision_model');
  if (modelType !== 'clip_vision_model') {
    throw new UnsupportedError(
      `${vision.where}: model_type "${modelType}" is no vision tower known here; expected "clip_vision_model".`,
    );
  }
  return vision;
}

/** hidden_states holds the embeddings and each layer's output: numHiddenLayers + 1 of them. */
function hiddenStateIndex(layer: number, vision: ClipVisionConfig, where: string): number {
  const count = vision.numHiddenLayers + 1;
  const index = layer < 0 ? layer + count : layer;
  if (index < 0 || index >= count) {
    throw new ConfigError(
      `${where}: "vision_feature_layer" is ${layer}, but the tower has ${count} hidden states; expected ${-count} to ${count - 1}.`,
    );
  }
  return index;
}
