import type { ConfigReader } from '../config-reader.ts';
import { type DecoderDefaults, type LlamaConfig, parseDecoderFields } from '../llama/config.ts';

/** https://huggingface.co/docs/transformers/model_doc/gemma#transformers.GemmaConfig */
const GEMMA_DEFAULTS: DecoderDefaults = {
  vocabSize: 256000,
  hiddenSize: 3072,
  intermediateSize: 24576,
  numHiddenLayers: 28,
  numAttentionHeads: 16,
  numKeyValueHeads: 16,
  headDim: 256,
  maxPositionEmbeddings: 8192,
  rmsNormEps: 1e-6,
  hiddenAct: 'gelu_pytorch_tanh',
  tieWordEmbeddings: true,
};

export function parseGemmaConfig(json: ConfigReader): LlamaConfig {
  const attentionBias = json.boolean('attention_bias', false);
  const fields = parseDecoderFields(json, GEMMA_DEFAULTS);
  return {
    ...fields,
    // Early files say "gelu" and were trained with the tanh form: https://github.com/huggingface/transformers/pull/29402
    hiddenAct: json.value('hidden_act') === 'gelu' ? 'gelu_pytorch_tanh' : fields.hiddenAct,
    qkvBias: attentionBias,
    outputBias: attentionBias,
    mlpBias: false,
    slidingWindows: new Array<null>(fields.numHiddenLayers).fill(null),
  };
}
