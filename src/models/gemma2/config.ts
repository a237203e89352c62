import { ConfigError } from '../../core/errors.ts';
import { readActivation } from '../activation-name.ts';
import { readLayerWindows } from '../blocks/layer-windows.ts';
import type { ConfigReader } from '../config-reader.ts';
import { type DecoderDefaults, type LlamaConfig, parseDecoderFields } from '../llama/config.ts';

/** Gemma 2's decoder, by the checkpoint's own field names. */
export interface Gemma2Config extends LlamaConfig {
  /** Attention scores are divided by its root, whatever the width of a head. */
  readonly queryPreAttnScalar: number;
  /** Bound of attention scores, and of logits; null for none. */
  readonly attnLogitSoftcapping: number | null;
  readonly finalLogitSoftcapping: number | null;
}

/** https://huggingface.co/docs/transformers/model_doc/gemma2#transformers.Gemma2Config */
const GEMMA2_DEFAULTS: DecoderDefaults = {
  vocabSize: 256000,
  hiddenSize: 2304,
  intermediateSize: 9216,
  numHiddenLayers: 26,
  numAttentionHeads: 8,
  numKeyValueHeads: 4,
  headDim: 256,
  maxPositionEmbeddings: 8192,
  rmsNormEps: 1e-6,
  hiddenAct: 'gelu_pytorch_tanh',
  tieWordEmbeddings: true,
};

export function parseGemma2Config(json: ConfigReader): Gemma2Config {
  const attentionBias = json.boolean('attention_bias', false);
  const fields = parseDecoderFields(json, GEMMA2_DEFAULTS);
  return {
    ...fields,
    // Unlike Gemma's, "gelu" is the exact form here: the first files said what they meant.
    hiddenAct: readActivation(json, 'hidden_activation', 'gelu_pytorch_tanh'),
    qkvBias: attentionBias,
    outputBias: attentionBias,
    mlpBias: false,
    slidingWindows: readLayerWindows(
      json,
      fields.numHiddenLayers,
      json.count('sliding_window', 4096),
      (layer) => layer % 2 === 0,
    ),
    queryPreAttnScalar: json.count('query_pre_attn_scalar', 256),
    attnLogitSoftcapping: softcapping(json, 'attn_logit_softcapping', 50),
    finalLogitSoftcapping: softcapping(json, 'final_logit_softcapping', 30),
  };
}

/** A bound by tanh. Null says that there is none, a missing field that it is the default. */
export function softcapping(json: ConfigReader, field: string, fallback: number | null): number | null {
  const value = json.value(field);
  if (value === null || (value === undefined && fallback === null)) return null;
  const cap = json.number(field, fallback ?? undefined);
  if (cap > 0) return cap;
  throw new ConfigError(`${json.where}: "${field}" is ${cap}; expected a positive number, or null for none.`);
}
