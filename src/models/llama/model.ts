import type { FloatDType } from '../../core/dtype.ts';
import { embedding } from '../../graph/embedding.ts';
import { linear } from '../../graph/linear.ts';
import type { Tensor } from '../../graph/tensor.ts';
import type { ConfigReader } from '../config-reader.ts';
import type { Model, TextInfo } from '../model.ts';
import type { Parameters } from '../parameters.ts';
import { type LlamaConfig, parseLlamaConfig } from './config.ts';
import { llamaDecoder } from './decoder.ts';

/** LlamaForCausalLM: `model.*` and, unless tied, `lm_head`. */
export const llamaModel = (json: ConfigReader): Model => causalLanguageModel('llama', parseLlamaConfig(json));

/** A Llama-style decoder alone, as a language model. */
export function causalLanguageModel(modelType: string, config: LlamaConfig): Model {
  return {
    modelType,
    text: textInfo(config),
    embedTokens: (ids, w, dtype) => embedTokens(ids, config, w.scope('model'), dtype),
    decode: (inputsEmbeds, w, pass) => llamaDecoder(inputsEmbeds, config, w.scope('model'), pass),
    logits: (hiddenStates, w) =>
      llamaHead(hiddenStates, config, w.scope('model'), w, config.tieWordEmbeddings),
  };
}

/** ids [B, S] → [B, S, C]. */
export const embedTokens = (ids: Tensor, config: TableSize, w: Parameters, dtype: FloatDType): Tensor =>
  embedding(ids, w.get('embed_tokens.weight', [config.vocabSize, config.hiddenSize]), { dtype });

/** What the embedding table is made of. */
export type TableSize = Pick<LlamaConfig, 'vocabSize' | 'hiddenSize'>;

/** Scores of the next token. hiddenStates [..., C] → [..., V] */
export const llamaHead = (
  hiddenStates: Tensor,
  config: TableSize,
  decoder: Parameters,
  head: Parameters,
  tied: boolean,
): Tensor => linear(hiddenStates, headWeight(config, decoder, head, tied)).named('logits');

/**
 * The matrix that scores tokens, [V, C].
 * A tied model has no `lm_head.weight`: the embedding table serves. A file that holds one all the same is obeyed,
 * as the reference does where its two configs disagree.
 */
export function headWeight(config: TableSize, decoder: Parameters, head: Parameters, tied: boolean): Tensor {
  const shape = [config.vocabSize, config.hiddenSize];
  const useTable = tied && !head.has('lm_head.weight');
  return useTable ? decoder.get('embed_tokens.weight', shape) : head.get('lm_head.weight', shape);
}

export const textInfo = (config: TextInfo): TextInfo => ({
  vocabSize: config.vocabSize,
  hiddenSize: config.hiddenSize,
  numHiddenLayers: config.numHiddenLayers,
  numAttentionHeads: config.numAttentionHeads,
  numKeyValueHeads: config.numKeyValueHeads,
  headDim: config.headDim,
  maxPositionEmbeddings: config.maxPositionEmbeddings,
});
