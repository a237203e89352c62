import { ConfigError } from '../../core/errors.ts';
import { type ConfigReader, readConfig } from '../config-reader.ts';
import { parseSiglipTower, type SiglipVisionConfig } from '../siglip/config.ts';
import { type Gemma3TextConfig, parseGemma3TextConfig } from './text-config.ts';

/** Gemma 3: a SigLIP tower, an average over its patches, and a decoder. */
export interface Gemma3Config {
  readonly vision: SiglipVisionConfig;
  readonly text: Gemma3TextConfig;
  readonly mmTokensPerImage: number;
  readonly imageTokenId: number;
  /** Tokens around those of a picture. */
  readonly boiTokenId: number;
  readonly eoiTokenId: number;
}

/**
 * Fallbacks: https://huggingface.co/docs/transformers/model_doc/gemma3#transformers.Gemma3Config
 * Throws ConfigError where the tower's patches do not make as many tokens as there are to be.
 */
export function parseGemma3Config(json: ConfigReader): Gemma3Config {
  const part = (field: string): ConfigReader =>
    json.optionalObject(field) ?? readConfig({}, `${json.where}: ${field}`);
  const token = (name: string, fallback: number): number =>
    json.has(`${name}_id`) ? json.integer(`${name}_id`) : json.integer(`${name}_index`, fallback);
  const vision = parseSiglipTower(part('vision_config'));
  const text = parseGemma3TextConfig(part('text_config'));
  const mmTokensPerImage = json.count('mm_tokens_per_image', 256);
  checkTokens(vision, mmTokensPerImage, json.where);
  return {
    vision,
    text: {
      ...text,
      tieWordEmbeddings: json.boolean('tie_word_embeddings', true) || text.tieWordEmbeddings,
      // The reference bounds the logits of a language model alone.
      finalLogitSoftcapping: null,
    },
    mmTokensPerImage,
    imageTokenId: token('image_token', 262144),
    boiTokenId: token('boi_token', 255999),
    eoiTokenId: token('eoi_token', 256000),
  };
}

/** Squares of patches are averaged; what fills no square is dropped. */
function checkTokens({ imageSize, patchSize }: SiglipVisionConfig, tokens: number, where: string): void {
  const side = Math.floor(imageSize / patchSize);
  const square = Math.floor(side / Math.sqrt(tokens));
  if (Math.floor(side / square) ** 2 === tokens) return;
  throw new ConfigError(
    `${where}: "mm_tokens_per_image" is ${tokens}, but ${side} x ${side} patches are no ${tokens} squares; expected a square number whose root divides ${side}.`,
  );
}
