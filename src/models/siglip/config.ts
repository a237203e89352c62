import { ConfigError, UnsupportedError } from '../../core/errors.ts';
import type { Activation } from '../../ops/activation.ts';
import { readActivation } from '../activation-name.ts';
import type { ConfigReader } from '../config-reader.ts';

/** SigLIP's vision transformer, by the checkpoint's own field names. */
export interface SiglipVisionConfig {
  readonly hiddenSize: number;
  readonly intermediateSize: number;
  readonly numHiddenLayers: number;
  readonly numAttentionHeads: number;
  readonly numChannels: number;
  readonly imageSize: number;
  readonly patchSize: number;
  readonly hiddenAct: Activation;
  readonly layerNormEps: number;
  /** Whether the checkpoint has the attention pooling head; towers of vision language models often lack it. */
  readonly visionUseHead: boolean;
}

/** Values that a config class gives to the fields a checkpoint leaves out. */
export type SiglipVisionDefaults = Omit<SiglipVisionConfig, 'visionUseHead' | 'hiddenAct' | 'layerNormEps'>;

/** https://huggingface.co/docs/transformers/model_doc/siglip#transformers.SiglipVisionConfig */
const SIGLIP_VISION_DEFAULTS: SiglipVisionDefaults = {
  hiddenSize: 768,
  intermediateSize: 3072,
  numHiddenLayers: 12,
  numAttentionHeads: 12,
  numChannels: 3,
  imageSize: 224,
  patchSize: 16,
};

export function parseSiglipVisionConfig(
  json: ConfigReader,
  defaults: SiglipVisionDefaults = SIGLIP_VISION_DEFAULTS,
): SiglipVisionConfig {
  const config: SiglipVisionConfig = {
    hiddenSize: json.count('hidden_size', defaults.hiddenSize),
    intermediateSize: json.count('intermediate_size', defaults.intermediateSize),
    numHiddenLayers: json.count('num_hidden_layers', defaults.numHiddenLayers),
    numAttentionHeads: json.count('num_attention_heads', defaults.numAttentionHeads),
    numChannels: json.count('num_channels', defaults.numChannels),
    imageSize: json.count('image_size', defaults.imageSize),
    patchSize: json.count('patch_size', defaults.patchSize),
    hiddenAct: readActivation(json, 'hidden_act', 'gelu_pytorch_tanh'),
    layerNormEps: json.number('layer_norm_eps', 1e-6),
    visionUseHead: json.boolean('vision_use_head', true),
  };
  checkWholeHeads(config, json.where);
  return config;
}

/** The tower of a vision language model, from its `vision_config`. Throws UnsupportedError for one of another kind. */
export function parseSiglipTower(json: ConfigReader): SiglipVisionConfig {
  const modelType = json.string('model_type', 'siglip_vision_model');
  if (modelType === 'siglip_vision_model') return parseSiglipVisionConfig(json);
  throw new UnsupportedError(
    `${json.where}: model_type "${modelType}" is no vision tower of this model; expected "siglip_vision_model".`,
  );
}

/** Patches of one picture; pixels beyond the last whole patch are dropped, as at 384 pixels in patches of 14. */
export const numPatches = (config: SiglipVisionConfig): number =>
  Math.floor(config.imageSize / config.patchSize) ** 2;

/** SigLIP's text transformer. */
export interface SiglipTextConfig {
  readonly vocabSize: number;
  readonly hiddenSize: number;
  readonly intermediateSize: number;
  readonly numHiddenLayers: number;
  readonly numAttentionHeads: number;
  readonly maxPositionEmbeddings: number;
  readonly hiddenAct: Activation;
  readonly layerNormEps: number;
  /** Width of the head, and so of a text's embedding. */
  readonly projectionSize: number;
}

/** Fallbacks: https://huggingface.co/docs/transformers/model_doc/siglip#transformers.SiglipTextConfig */
export function parseSiglipTextConfig(json: ConfigReader): SiglipTextConfig {
  const hiddenSize = json.count('hidden_size', 768);
  const config: SiglipTextConfig = {
    vocabSize: json.count('vocab_size', 32000),
    hiddenSize,
    intermediateSize: json.count('intermediate_size', 3072),
    numHiddenLayers: json.count('num_hidden_layers', 12),
    numAttentionHeads: json.count('num_attention_heads', 12),
    maxPositionEmbeddings: json.count('max_position_embeddings', 64),
    hiddenAct: readActivation(json, 'hidden_act', 'gelu_pytorch_tanh'),
    layerNormEps: json.number('layer_norm_eps', 1e-6),
    projectionSize: json.count('projection_size', hiddenSize),
  };
  checkWholeHeads(config, json.where);
  return config;
}

/** Both towers. Neither has a projection outside itself, so their embeddings must have the same width already. */
export interface SiglipConfig {
  readonly text: SiglipTextConfig;
  readonly vision: SiglipVisionConfig;
}

/** Throws ConfigError where the towers' embeddings differ in width, or the vision tower has no pooling head. */
export function parseSiglipConfig(json: ConfigReader): SiglipConfig {
  const text = parseSiglipTextConfig(json.object('text_config'));
  const vision = parseSiglipVisionConfig(json.object('vision_config'));
  if (text.projectionSize !== vision.hiddenSize || !vision.visionUseHead) {
    throw new ConfigError(
      `${json.where}: texts are embedded in ${text.projectionSize} dimensions, pictures in ${vision.visionUseHead ? vision.hiddenSize : 'none (vision_use_head is false)'}; expected the same. Is this a whole SiglipModel?`,
    );
  }
  return { text, vision };
}

function checkWholeHeads(
  { hiddenSize, numAttentionHeads }: Pick<SiglipTextConfig, 'hiddenSize' | 'numAttentionHeads'>,
  where: string,
): void {
  if (hiddenSize % numAttentionHeads === 0) return;
  throw new ConfigError(
    `${where}: hidden_size ${hiddenSize} is not a multiple of num_attention_heads ${numAttentionHeads}; expected whole heads.`,
  );
}
