import { scale } from '../../graph/math.ts';
import type { ConfigReader } from '../config-reader.ts';
import { embedTokens, llamaHead, textInfo } from '../llama/model.ts';
import type { Model } from '../model.ts';
import { parseGemmaConfig } from './config.ts';
import { gemmaDecoder } from './decoder.ts';

/** GemmaForCausalLM. Embeddings are scaled by sqrt(hiddenSize), rounded to f32 as the reference does. */
export function gemmaModel(json: ConfigReader): Model {
  const config = parseGemmaConfig(json);
  const embedScale = Math.fround(Math.sqrt(config.hiddenSize));
  return {
    modelType: 'gemma',
    text: textInfo(config),
    embedTokens: (ids, w, dtype) => scale(embedTokens(ids, config, w.scope('model'), dtype), embedScale),
    decode: (inputsEmbeds, w, pass) => gemmaDecoder(inputsEmbeds, config, w.scope('model'), pass),
    logits: (hiddenStates, w) =>
      llamaHead(hiddenStates, config, w.scope('model'), w, config.tieWordEmbeddings),
  };
}
