import { ConfigError, UnsupportedError } from '../../core/errors.ts';
import { type ConfigReader, readConfig } from '../config-reader.ts';
import { parseGemmaConfig } from '../gemma/config.ts';
import { type Gemma2Config, parseGemma2Config } from '../gemma2/config.ts';
import type { LlamaConfig } from '../llama/config.ts';
import { parseSiglipTower, type SiglipVisionConfig } from '../siglip/config.ts';

/** The decoder: Gemma in PaliGemma, Gemma 2 in PaliGemma 2. */
export type PaliGemmaTextConfig =
  | { readonly modelType: 'gemma'; readonly config: LlamaConfig }
  | { readonly modelType: 'gemma2'; readonly config: Gemma2Config };

/** PaliGemma and PaliGemma 2: a SigLIP tower, one linear layer, and a decoder. */
export interface PaliGemmaConfig {
  readonly vision: SiglipVisionConfig;
  readonly text: PaliGemmaTextConfig;
  readonly imageTokenId: number;
}

/** Parts that a config leaves out altogether, and all other fallbacks: https://huggingface.co/docs/transformers/model_doc/paligemma#transformers.PaliGemmaConfig */
const VISION_CONFIG = {
  hidden_size: 1152,
  intermediate_size: 4096,
  patch_size: 14,
  image_size: 224,
  num_hidden_layers: 27,
  num_attention_heads: 16,
  vision_use_head: false,
};
const TEXT_CONFIG = {
  hidden_size: 2048,
  num_hidden_layers: 18,
  intermediate_size: 16384,
  num_attention_heads: 8,
  num_key_value_heads: 1,
  vocab_size: 257152,
};

/** Throws UnsupportedError for parts of another kind, ConfigError where the projector's width is not the decoder's. */
export function parsePaliGemmaConfig(json: ConfigReader): PaliGemmaConfig {
  const part = (field: string, fallback: object): ConfigReader =>
    json.optionalObject(field) ?? readConfig(fallback, `${json.where}: ${field}`);
  const vision = parseSiglipTower(part('vision_config', VISION_CONFIG));
  const text = parseTextConfig(part('text_config', TEXT_CONFIG), json.boolean('tie_word_embeddings', true));
  const { hiddenSize } = text.config;
  const projectionDim = json.count('projection_dim', 2048);
  if (projectionDim !== hiddenSize) {
    throw new ConfigError(
      `${json.where}: "projection_dim" is ${projectionDim}, but features take the places of embeddings of ${hiddenSize}; expected text_config's hidden_size.`,
    );
  }
  return {
    vision,
    text,
    imageTokenId: json.has('image_token_id')
      ? json.integer('image_token_id')
      : json.integer('image_token_index', 256000),
  };
}

/** `tied`: what the whole model says of its embedding table. */
function parseTextConfig(json: ConfigReader, tied: boolean): PaliGemmaTextConfig {
  const modelType = json.string('model_type', 'gemma');
  const tie = <C extends LlamaConfig>(config: C): C => ({
    ...config,
    tieWordEmbeddings: tied || config.tieWordEmbeddings,
  });
  if (modelType === 'gemma') return { modelType, config: tie(parseGemmaConfig(json)) };
  if (modelType === 'gemma2') return { modelType, config: tie(parseGemma2Config(json)) };
  throw new UnsupportedError(
    `${json.where}: model_type "${modelType}" is no decoder of PaliGemma; expected "gemma" or "gemma2".`,
  );
}
