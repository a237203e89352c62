import { linear } from '../../graph/linear.ts';
import { softcap } from '../../graph/math.ts';
import type { Tensor } from '../../graph/tensor.ts';
import type { ConfigReader } from '../config-reader.ts';
import { scaledEmbedding } from '../gemma/model.ts';
import { headWeight, type TableSize, textInfo } from '../llama/model.ts';
import type { Model } from '../model.ts';
import type { Parameters } from '../parameters.ts';
import { languageModel, type TextDecoder } from '../text-decoder.ts';
import { type Gemma2Config, parseGemma2Config } from './config.ts';
import { gemma2Decoder } from './decoder.ts';

/** Gemma2ForCausalLM. */
export const gemma2Model = (json: ConfigReader): Model =>
  languageModel('gemma2', gemma2TextDecoder(parseGemma2Config(json)));

export const gemma2TextDecoder = (config: Gemma2Config): TextDecoder => ({
  text: textInfo(config),
  embedTokens: (ids, w, dtype) => scaledEmbedding(ids, config, w, dtype),
  decode: (inputsEmbeds, w, pass) => gemma2Decoder(inputsEmbeds, config, w, pass),
  logits: (hiddenStates, w, head) => boundedHead(hiddenStates, config, w, head),
});

/** Scores of the next token, bounded by tanh where the config says so. hiddenStates [..., C] → [..., V] */
export function boundedHead(
  hiddenStates: Tensor,
  config: TableSize & Pick<Gemma2Config, 'tieWordEmbeddings' | 'finalLogitSoftcapping'>,
  decoder: Parameters,
  head: Parameters,
): Tensor {
  const scores = linear(hiddenStates, headWeight(config, decoder, head, config.tieWordEmbeddings));
  const cap = config.finalLogitSoftcapping;
  return (cap === null ? scores : softcap(scores, cap)).named('logits');
}
