import type { FloatDType } from '../../core/dtype.ts';
import { scale } from '../../graph/math.ts';
import type { Tensor } from '../../graph/tensor.ts';
import type { ConfigReader } from '../config-reader.ts';
import type { LlamaConfig } from '../llama/config.ts';
import { embedTokens, llamaHead, type TableSize, textInfo } from '../llama/model.ts';
import type { Model } from '../model.ts';
import type { Parameters } from '../parameters.ts';
import { languageModel, type TextDecoder } from '../text-decoder.ts';
import { parseGemmaConfig } from './config.ts';
import { gemmaDecoder } from './decoder.ts';

/** GemmaForCausalLM. */
export const gemmaModel = (json: ConfigReader): Model =>
  languageModel('gemma', gemmaTextDecoder(parseGemmaConfig(json)));

export const gemmaTextDecoder = (config: LlamaConfig): TextDecoder => ({
  text: textInfo(config),
  embedTokens: (ids, w, dtype) => scaledEmbedding(ids, config, w, dtype),
  decode: (inputsEmbeds, w, pass) => gemmaDecoder(inputsEmbeds, config, w, pass),
  logits: (hiddenStates, w, head) => llamaHead(hiddenStates, config, w, head, config.tieWordEmbeddings),
});

/** Embeddings times sqrt(hiddenSize), a factor rounded to f32 as the reference does. ids [B, S] → [B, S, C] */
export const scaledEmbedding = (ids: Tensor, config: TableSize, w: Parameters, dtype: FloatDType): Tensor =>
  scale(embedTokens(ids, config, w, dtype), Math.fround(Math.sqrt(config.hiddenSize)));
