import { type LayerWindows, readLayerWindows } from '../blocks/layer-windows.ts';
import type { ConfigReader } from '../config-reader.ts';
import { type DecoderDefaults, type LlamaConfig, parseDecoderFields } from '../llama/config.ts';

/** https://huggingface.co/docs/transformers/model_doc/qwen2#transformers.Qwen2Config */
const QWEN2_DEFAULTS: DecoderDefaults = {
  vocabSize: 151936,
  hiddenSize: 4096,
  intermediateSize: 22016,
  numHiddenLayers: 32,
  numAttentionHeads: 32,
  numKeyValueHeads: 32,
  maxPositionEmbeddings: 32768,
  rmsNormEps: 1e-6,
  hiddenAct: 'silu',
  tieWordEmbeddings: false,
};

/** Qwen2 (arXiv 2407.10671) is Llama's decoder with biases on q, k and v, and a window in some layers if asked for. */
export function parseQwen2Config(json: ConfigReader): LlamaConfig {
  const fields = parseDecoderFields(json, QWEN2_DEFAULTS);
  return {
    ...fields,
    qkvBias: true,
    outputBias: false,
    mlpBias: false,
    slidingWindows: layerWindows(json, fields.numHiddenLayers, 28),
  };
}

/** `layer_types` says which layers slide; files older than that field slide from `max_window_layers` on. */
export function layerWindows(
  json: ConfigReader,
  numHiddenLayers: number,
  defaultMaxWindowLayers: number,
): LayerWindows {
  const window = json.boolean('use_sliding_window', false) ? json.count('sliding_window', 4096) : null;
  const firstWindowed = json.integer('max_window_layers', defaultMaxWindowLayers);
  return readLayerWindows(json, numHiddenLayers, window, (layer) => layer >= firstWindowed);
}
