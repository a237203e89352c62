import { ConfigError } from '../../core/errors.ts';
import type { Activation } from '../../ops/activation.ts';
import { readActivation } from '../activation-name.ts';
import type { ConfigReader } from '../config-reader.ts';

/** CLIP's vision transformer, by the checkpoint's own field names. */
export interface ClipVisionConfig {
  readonly hiddenSize: number;
  readonly intermediateSize: number;
  readonly numHiddenLayers: number;
  readonly numAttentionHeads: number;
  readonly numChannels: number;
  readonly imageSize: number;
  readonly patchSize: number;
  readonly hiddenAct: Activation;
  readonly layerNormEps: number;
}

/**
 * Fallbacks are the defaults of transformers' CLIPVisionConfig, which checkpoints rely on by leaving fields out:
 * https://huggingface.co/docs/transformers/model_doc/clip#transformers.CLIPVisionConfig
 */
export function parseClipVisionConfig(json: ConfigReader): ClipVisionConfig {
  const config: ClipVisionConfig = {
    hiddenSize: json.count('hidden_size', 768),
    intermediateSize: json.count('intermediate_size', 3072),
    numHiddenLayers: json.count('num_hidden_layers', 12),
    numAttentionHeads: json.count('num_attention_heads', 12),
    numChannels: json.count('num_channels', 3),
    imageSize: json.count('image_size', 224),
    patchSize: json.count('patch_size', 32),
    hiddenAct: readActivation(json, 'hidden_act', 'quick_gelu'),
    layerNormEps: json.number('layer_norm_eps', 1e-5),
  };
  checkWholeHeads(config, json.where);
  return config;
}

/** Patches of one picture; the class token is not counted. */
export const numPatches = (config: ClipVisionConfig): number =>
  Math.floor(config.imageSize / config.patchSize) ** 2;

/** CLIP's text transformer. */
export interface ClipTextConfig {
  readonly vocabSize: number;
  readonly hiddenSize: number;
  readonly intermediateSize: number;
  readonly numHiddenLayers: number;
  readonly numAttentionHeads: number;
  readonly maxPositionEmbeddings: number;
  readonly hiddenAct: Activation;
  readonly layerNormEps: number;
  readonly eosTokenId: number;
}

/** Fallbacks: https://huggingface.co/docs/transformers/model_doc/clip#transformers.CLIPTextConfig */
export function parseClipTextConfig(json: ConfigReader): ClipTextConfig {
  const config: ClipTextConfig = {
    vocabSize: json.count('vocab_size', 49408),
    hiddenSize: json.count('hidden_size', 512),
    intermediateSize: json.count('intermediate_size', 2048),
    numHiddenLayers: json.count('num_hidden_layers', 12),
    numAttentionHeads: json.count('num_attention_heads', 8),
    maxPositionEmbeddings: json.count('max_position_embeddings', 77),
    hiddenAct: readActivation(json, 'hidden_act', 'quick_gelu'),
    layerNormEps: json.number('layer_norm_eps', 1e-5),
    eosTokenId: json.integer('eos_token_id', 49407),
  };
  checkWholeHeads(config, json.where);
  return config;
}

/** Both towers and the width they are projected to. */
export interface ClipConfig {
  readonly text: ClipTextConfig;
  readonly vision: ClipVisionConfig;
  readonly projectionDim: number;
}

/** Fallbacks: https://huggingface.co/docs/transformers/model_doc/clip#transformers.CLIPConfig */
export function parseClipConfig(json: ConfigReader): ClipConfig {
  // The first checkpoints wrote `text_config_dict`, some of them beside the other and with the same values.
  const tower = (name: string): ConfigReader => json.optionalObject(name) ?? json.object(`${name}_dict`);
  return {
    text: parseClipTextConfig(tower('text_config')),
    vision: parseClipVisionConfig(tower('vision_config')),
    projectionDim: json.count('projection_dim', 512),
  };
}

function checkWholeHeads(
  { hiddenSize, numAttentionHeads }: Pick<ClipTextConfig, 'hiddenSize' | 'numAttentionHeads'>,
  where: string,
): void {
  if (hiddenSize % numAttentionHeads === 0) return;
  throw new ConfigError(
    `${where}: hidden_size ${hiddenSize} is not a multiple of num_attention_heads ${numAttentionHeads}; expected whole heads.`,
  );
}
