import { ConfigError } from '../../core/errors.ts';
import type { ConfigReader } from '../config-reader.ts';
import type { LlamaConfig } from '../llama/config.ts';
import {
  parseSiglipVisionConfig,
  type SiglipVisionConfig,
  type SiglipVisionDefaults,
} from '../siglip/config.ts';
import { parseTextConfig } from '../text-config.ts';

/** SmolVLM and Idefics 3: SigLIP's tower, a pixel shuffle connector and a Llama-style decoder. */
export interface SmolVlmConfig {
  readonly vision: SiglipVisionConfig;
  readonly text: LlamaConfig;
  /** Patches that the connector joins along each side. */
  readonly scaleFactor: number;
  readonly imageTokenId: number;
  readonly tieWordEmbeddings: boolean;
}

/** https://huggingface.co/docs/transformers/model_doc/smolvlm#transformers.SmolVLMVisionConfig */
const VISION_DEFAULTS: SiglipVisionDefaults = {
  hiddenSize: 1152,
  intermediateSize: 3072,
  numHiddenLayers: 12,
  numAttentionHeads: 16,
  numChannels: 3,
  imageSize: 224,
  patchSize: 32,
};

/**
 * Fallbacks: https://huggingface.co/docs/transformers/model_doc/smolvlm#transformers.SmolVLMConfig
 * Throws ConfigError where the connector does not divide the tower's patches.
 */
export function parseSmolVlmConfig(json: ConfigReader): SmolVlmConfig {
  const text = parseTextConfig(json.object('text_config'));
  const config: SmolVlmConfig = {
    vision: parseSiglipVisionConfig(json.object('vision_config'), VISION_DEFAULTS),
    text,
    scaleFactor: json.count('scale_factor', 2),
    imageTokenId: json.integer('image_token_id', 128257),
    tieWordEmbeddings: json.boolean('tie_word_embeddings', false) || text.tieWordEmbeddings,
  };
  const { imageSize } = config.vision;
  if (tokensPerTile(config, imageSize) === undefined) {
    throw new ConfigError(
      `${json.where}: scale_factor ${config.scaleFactor} does not divide the ${patchesPerSide(config, imageSize)} patches along a side of ${imageSize} pixels; expected a divisor.`,
    );
  }
  return config;
}

const patchesPerSide = ({ vision }: SmolVlmConfig, side: number): number =>
  Math.floor(side / vision.patchSize);

/** Image tokens of one square tile; undefined where the connector can't join its patches evenly. */
export function tokensPerTile(config: SmolVlmConfig, side: number): number | undefined {
  const cells = patchesPerSide(config, side) / config.scaleFactor;
  return Number.isInteger(cells) && cells > 0 ? cells ** 2 : undefined;
}
