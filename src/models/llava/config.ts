import type { Activation } from '../../ops/activation.ts';
import { readActivation } from '../activation-name.ts';
import type { ConfigReader } from '../config-reader.ts';
import type { LlamaConfig } from '../llama/config.ts';
import { parseTextConfig } from '../text-config.ts';
import { type LlavaTower, type LlavaTowerDefaults, parseLlavaTower } from './tower.ts';

/** What LLaVA and its descendants are made of: a tower, a projector and a Llama-style decoder. */
export interface LlavaParts {
  readonly tower: LlavaTower;
  readonly text: LlamaConfig;
  readonly projectorHiddenAct: Activation;
  readonly projectorBias: boolean;
  readonly imageTokenId: number;
  readonly tieWordEmbeddings: boolean;
}

/** What a family's config class gives to fields that a file leaves out. */
export interface LlavaDefaults extends LlavaTowerDefaults {
  readonly textModelType: 'llama' | 'qwen2';
  readonly imageTokenIndex: number;
}

/** LLaVA 1 and 1.5. */
export interface LlavaConfig extends LlavaParts {
  readonly projector: 'linear' | 'mlp';
}

/** https://huggingface.co/docs/transformers/model_doc/llava#transformers.LlavaConfig */
const LLAVA_DEFAULTS: LlavaDefaults = {
  modelType: 'clip_vision_model',
  visionFeatureLayer: -2,
  visionFeatureSelectStrategy: 'default',
  textModelType: 'llama',
  imageTokenIndex: 32000,
};

export function parseLlavaConfig(json: ConfigReader): LlavaConfig {
  return {
    ...parseLlavaParts(json, LLAVA_DEFAULTS),
    // LLaVA 1 had one linear layer; its own config names it, transformers' class has no field for it.
    projector:
      json.choice('mm_projector_type', ['linear', 'mlp2x_gelu'], 'mlp2x_gelu') === 'linear'
        ? 'linear'
        : 'mlp',
  };
}

/** The fields that all of them spell alike. Throws ConfigError or UnsupportedError for those that make no model. */
export function parseLlavaParts(json: ConfigReader, defaults: LlavaDefaults): LlavaParts {
  const text = parseTextConfig(json.object('text_config'), defaults.textModelType);
  return {
    tower: parseLlavaTower(json, defaults),
    text,
    projectorHiddenAct: readActivation(json, 'projector_hidden_act', 'gelu'),
    projectorBias: json.boolean('multimodal_projector_bias', true),
    imageTokenId: tokenId(json, 'image_token', defaults.imageTokenIndex),
    tieWordEmbeddings: json.boolean('tie_word_embeddings', false) || text.tieWordEmbeddings,
  };
}

/** `image_token_id`, or `image_token_index` as files of transformers 4.x and 5.x spell it. */
export const tokenId = (json: ConfigReader, name: string, fallback: number): number =>
  json.has(`${name}_id`) ? json.integer(`${name}_id`) : json.integer(`${name}_index`, fallback);
