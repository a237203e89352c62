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
  if (config.hiddenSize % config.numAttentionHeads !== 0) {
    throw new ConfigError(
      `${json.where}: hidden_size ${config.hiddenSize} is not a multiple of num_attention_heads ${config.numAttentionHeads}; expected whole heads.`,
    );
  }
  return config;
}

/** Patches of one picture; the class token is not counted. */
export const numPatches = (config: ClipVisionConfig): number =>
  Math.floor(config.imageSize / config.patchSize) ** 2;
