import type { ConfigReader } from '../config-reader.ts';
import { type DecoderDefaults, type LlamaConfig, parseDecoderFields } from '../llama/config.ts';

/** https://huggingface.co/docs/transformers/model_doc/mistral#transformers.MistralConfig */
const MISTRAL_DEFAULTS: DecoderDefaults = {
  vocabSize: 32000,
  hiddenSize: 4096,
  intermediateSize: 14336,
  numHiddenLayers: 32,
  numAttentionHeads: 32,
  numKeyValueHeads: 8,
  maxPositionEmbeddings: 131072,
  rmsNormEps: 1e-6,
  hiddenAct: 'silu',
  tieWordEmbeddings: false,
};

/** The window of a file that does not speak of one; `null` there means none. */
const DEFAULT_WINDOW = 4096;

/** Mistral (Jiang et al. 2023, arXiv 2310.06825) is Llama's decoder without biases, a window in all layers or in none. */
export function parseMistralConfig(json: ConfigReader): LlamaConfig {
  const fields = parseDecoderFields(json, MISTRAL_DEFAULTS);
  const window = json.value('sliding_window') === null ? null : json.count('sliding_window', DEFAULT_WINDOW);
  return {
    ...fields,
    qkvBias: false,
    outputBias: false,
    mlpBias: false,
    slidingWindows: new Array<number | null>(fields.numHiddenLayers).fill(window),
  };
}
