import type { ConfigReader } from '../config-reader.ts';
import { scaledEmbedding } from '../gemma/model.ts';
import { boundedHead } from '../gemma2/model.ts';
import { textInfo } from '../llama/model.ts';
import type { Model } from '../model.ts';
import { languageModel, type TextDecoder } from '../text-decoder.ts';
import { gemma3Decoder } from './decoder.ts';
import { type Gemma3TextConfig, parseGemma3TextConfig } from './text-config.ts';

/** Gemma3ForCausalLM. */
export const gemma3TextModel = (json: ConfigReader): Model =>
  languageModel('gemma3_text', gemma3TextDecoder(parseGemma3TextConfig(json)));

export const gemma3TextDecoder = (config: Gemma3TextConfig): TextDecoder => ({
  text: textInfo(config),
  embedTokens: (ids, w, dtype) => scaledEmbedding(ids, config, w, dtype),
  decode: (inputsEmbeds, w, pass) => gemma3Decoder(inputsEmbeds, config, w, pass),
  logits: (hiddenStates, w, head) => boundedHead(hiddenStates, config, w, head),
});
