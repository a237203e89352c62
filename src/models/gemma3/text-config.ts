import { UnsupportedError } from '../../core/errors.ts';
import { readActivation } from '../activation-name.ts';
import { readLayerWindows } from '../blocks/layer-windows.ts';
import { type RopeParameters, ropeOf } from '../blocks/rope-parameters.ts';
import { type ConfigReader, readConfig } from '../config-reader.ts';
import { softcapping } from '../gemma2/config.ts';
import { type DecoderDefaults, type LlamaConfig, parseDecoderFields } from '../llama/config.ts';

/** Gemma 3's decoder, by the checkpoint's own field names. */
export interface Gemma3TextConfig extends Omit<LlamaConfig, 'rope'> {
  /** Rotary settings of layers that see all, and of those with a window. */
  readonly ropes: { readonly full: RopeParameters; readonly sliding: RopeParameters };
  /** Attention scores are divided by its root, whatever the width of a head. */
  readonly queryPreAttnScalar: number;
  /** Bound of logits; null for none. */
  readonly finalLogitSoftcapping: number | null;
}

/** https://huggingface.co/docs/transformers/model_doc/gemma3#transformers.Gemma3TextConfig */
const GEMMA3_DEFAULTS: DecoderDefaults = {
  vocabSize: 262208,
  hiddenSize: 2304,
  intermediateSize: 9216,
  numHiddenLayers: 26,
  numAttentionHeads: 8,
  numKeyValueHeads: 4,
  headDim: 256,
  maxPositionEmbeddings: 131072,
  rmsNormEps: 1e-6,
  hiddenAct: 'gelu_pytorch_tanh',
  tieWordEmbeddings: true,
};
const FULL_THETA = 1e6;
const SLIDING_THETA = 1e4;

/**
 * `attn_logit_softcapping` is not read: the reference has the field and does nothing with it.
 * Throws UnsupportedError for a model that sees text both ways, which embeds texts and writes none.
 */
export function parseGemma3TextConfig(json: ConfigReader): Gemma3TextConfig {
  if (json.boolean('use_bidirectional_attention', false)) {
    throw new UnsupportedError(
      `${json.where}: "use_bidirectional_attention" is true; expected a decoder that writes text, whose attention is causal.`,
    );
  }
  const attentionBias = json.boolean('attention_bias', false);
  const { rope: _one, ...fields } = parseDecoderFields(json, GEMMA3_DEFAULTS);
  const pattern = json.count('sliding_window_pattern', 6);
  return {
    ...fields,
    hiddenAct: readActivation(json, 'hidden_activation', 'gelu_pytorch_tanh'),
    qkvBias: attentionBias,
    outputBias: attentionBias,
    mlpBias: false,
    slidingWindows: readLayerWindows(
      json,
      fields.numHiddenLayers,
      json.count('sliding_window', 4096),
      (layer) => (layer + 1) % pattern !== 0,
    ),
    ropes: parseRopes(json, fields.headDim),
    queryPreAttnScalar: json.count('query_pre_attn_scalar', 256),
    finalLogitSoftcapping: softcapping(json, 'final_logit_softcapping', null),
  };
}

/**
 * `rope_parameters` by kind of layer (transformers 5), or `rope_theta` with `rope_scaling` for layers that see all and
 * `rope_local_base_freq`, unscaled, for those with a window (4.x).
 */
function parseRopes(json: ConfigReader, headDim: number): Gemma3TextConfig['ropes'] {
  const parameters = json.optionalObject('rope_parameters');
  const full = {
    ...parameters?.optionalObject('full_attention')?.json,
    ...json.optionalObject('rope_scaling')?.json,
  };
  return {
    full: ropeOf(
      readConfig(full, `${json.where}: rope of full_attention`),
      json.number('rope_theta', FULL_THETA),
      headDim,
    ),
    sliding: ropeOf(
      parameters?.optionalObject('sliding_attention'),
      json.number('rope_local_base_freq', SLIDING_THETA),
      headDim,
    ),
  };
}
