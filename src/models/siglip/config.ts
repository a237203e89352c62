import { ConfigError } from '../../core/errors.ts';
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

/**
 * Fallbacks are the defaults of transformers' SiglipVisionConfig, which checkpoints rely on by leaving fields out:
 * https://huggingface.co/docs/transformers/model_doc/siglip#transformers.SiglipVisionConfig
 */
export function parseSiglipVisionConfig(json: ConfigReader): SiglipVisionConfig {
  const config: SiglipVisionConfig = {
    hiddenSize: json.count('hidden_size', 768),
    intermediateSize: json.count('intermediate_size', 3072),
    numHiddenLayers: json.count('num_hidden_layers', 12),
    numAttentionHeads: json.count('num_attention_heads', 12),
    numChannels: json.count('num_channels', 3),
    imageSize: json.count('image_size', 224),
    patchSize: json.count('patch_size', 16),
    hiddenAct: readActivation(json, 'hidden_act', 'gelu_pytorch_tanh'),
    layerNormEps: json.number('layer_norm_eps', 1e-6),
    visionUseHead: json.boolean('vision_use_head', true),
  };
  if (config.hiddenSize % config.numAttentionHeads !== 0) {
    throw new ConfigError(
      `${json.where}: hidden_size ${config.hiddenSize} is not a multiple of num_attention_heads ${config.numAttentionHeads}; expected whole heads.`,
    );
  }
  return config;
}

/** Patches of one picture; pixels beyond the last whole patch are dropped, as at 384 pixels in patches of 14. */
export const numPatches = (config: SiglipVisionConfig): number =>
  Math.floor(config.imageSize / config.patchSize) ** 2;
