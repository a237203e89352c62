import { UnsupportedError } from '../core/errors.ts';
import type { ConfigReader } from './config-reader.ts';
import { type LlamaConfig, parseLlamaConfig } from './llama/config.ts';
import { parseMistralConfig } from './mistral/config.ts';
import { parseQwen2Config } from './qwen2/config.ts';

/** `model_type` of a text_config → its decoder; all of them are run by `llamaDecoder`. */
const DECODERS: ReadonlyMap<string, (json: ConfigReader) => LlamaConfig> = new Map([
  ['llama', parseLlamaConfig],
  ['mistral', parseMistralConfig],
  ['qwen2', parseQwen2Config],
]);

/**
 * The decoder of a vision language model that leaves it open. A file without `model_type` means `fallback`.
 * Throws UnsupportedError for a decoder not known here.
 */
export function parseTextConfig(text: ConfigReader, fallback: 'llama' | 'qwen2' = 'llama'): LlamaConfig {
  const modelType = text.string('model_type', fallback);
  const parse = DECODERS.get(modelType);
  if (parse) return parse(text);
  throw new UnsupportedError(
    `${text.where}: model_type "${modelType}" is no decoder known here; expected one of ${[...DECODERS.keys()].join(', ')}.`,
  );
}
