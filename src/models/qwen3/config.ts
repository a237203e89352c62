import type { ConfigReader } from '../config-reader.ts';
import { type DecoderDefaults, type LlamaConfig, parseDecoderFields } from '../llama/config.ts';
import { layerWindows } from '../qwen2/config.ts';

/** https://huggingface.co/docs/transformers/model_doc/qwen3#transformers.Qwen3Config */
const QWEN3_DEFAULTS: DecoderDefaults = {
  vocabSize: 151936,
  hiddenSize: 4096,
  intermediateSize: 22016,
  numHiddenLayers: 32,
  numAttentionHeads: 32,
  headDim: 128,
  maxPositionEmbeddings: 32768,
  rmsNormEps: 1e-6,
  hiddenAct: 'silu',
  tieWordEmbeddings: false,
};

/** Qwen3 (arXiv 2505.09388): Qwen2 without biases unless asked for, with norms on queries and keys. */
export function parseQwen3Config(json: ConfigReader): LlamaConfig {
  const attentionBias = json.boolean('attention_bias', false);
  const fields = parseDecoderFields(json, QWEN3_DEFAULTS);
  return {
    ...fields,
    qkvBias: attentionBias,
    outputBias: attentionBias,
    mlpBias: false,
    slidingWindows: layerWindows(json, fields.numHiddenLayers, 28),
  };
}
