import type { ConfigReader } from '../config-reader.ts';
import { embedTokens, llamaHead, textInfo } from '../llama/model.ts';
import type { Model } from '../model.ts';
import { parseQwen3Config } from './config.ts';
import { qwen3Decoder } from './decoder.ts';

/** Qwen3ForCausalLM: `model.*` and, unless tied, `lm_head`. */
export function qwen3Model(json: ConfigReader): Model {
  const config = parseQwen3Config(json);
  return {
    modelType: 'qwen3',
    text: textInfo(config),
    embedTokens: (ids, w, dtype) => embedTokens(ids, config, w.scope('model'), dtype),
    decode: (inputsEmbeds, w, pass) => qwen3Decoder(inputsEmbeds, config, w.scope('model'), pass),
    logits: (hiddenStates, w) =>
      llamaHead(hiddenStates, config, w.scope('model'), w, config.tieWordEmbeddings),
  };
}
