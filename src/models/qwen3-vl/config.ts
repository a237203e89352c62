import { ConfigError } from '../../core/errors.ts';
import type { Activation } from '../../ops/activation.ts';
import { readActivation } from '../activation-name.ts';
import type { ConfigReader } from '../config-reader.ts';
import { type DecoderDefaults, parseDecoderFields } from '../llama/config.ts';
import { readLayers } from '../qwen2-5-vl/config.ts';
import {
  checkAxialHeads,
  checkFeatureWidth,
  type PatchConfig,
  parseOuterFields,
  parsePatchConfig,
  type QwenVlConfig,
  readAxialTheta,
} from '../qwen2-vl/config.ts';
import { type MropeTextConfig, mropeReader, readMropeSection } from '../qwen2-vl/text-config.ts';

/** Qwen3-VL's vision transformer, by the checkpoint's own field names. */
export interface Qwen3VlVisionConfig extends PatchConfig {
  readonly depth: number;
  readonly hiddenSize: number;
  readonly hiddenAct: Activation;
  readonly intermediateSize: number;
  readonly numHeads: number;
  readonly outHiddenSize: number;
  /** Places of the learned table, a square. */
  readonly numPositionEmbeddings: number;
  /** Layers whose states become features too, for the first layers of the decoder. */
  readonly deepstackVisualIndexes: readonly number[];
  readonly ropeTheta: number;
}

export type Qwen3VlConfig = QwenVlConfig<MropeTextConfig, Qwen3VlVisionConfig>;

/** Fallbacks: https://huggingface.co/docs/transformers/model_doc/qwen3_vl#transformers.Qwen3VLConfig */
export function parseQwen3VlConfig(json: ConfigReader): Qwen3VlConfig {
  const text = parseTextConfig(json);
  const vision = parseVisionConfig(json.object('vision_config'));
  checkFeatureWidth(vision.outHiddenSize, 'out_hidden_size', text, json.where);
  return { text, vision, ...parseOuterFields(json, text) };
}

/** Layers that give features, in their order, each with its place in the list and so among the mergers. */
export function deepstackLayers({ depth, deepstackVisualIndexes: indexes }: Qwen3VlVisionConfig) {
  return Array.from({ length: depth }, (_, layer) => ({ layer, merger: indexes.indexOf(layer) })).filter(
    ({ merger }) => merger >= 0,
  );
}

const QWEN3_VL_DEFAULTS: DecoderDefaults = {
  vocabSize: 151936,
  hiddenSize: 4096,
  intermediateSize: 22016,
  numHiddenLayers: 32,
  numAttentionHeads: 32,
  headDim: 128,
  maxPositionEmbeddings: 128000,
  rmsNormEps: 1e-6,
  hiddenAct: 'silu',
  tieWordEmbeddings: false,
};

function parseTextConfig(json: ConfigReader): MropeTextConfig {
  const text = mropeReader(json, { theta: 5e5, numKeyValueHeads: 32 });
  const attentionBias = text.boolean('attention_bias', false);
  const fields = parseDecoderFields(text, QWEN3_VL_DEFAULTS);
  const mropeSection = readMropeSection(text, [24, 20, 20]);
  if (mropeSection.length < 3 || fields.headDim % 2 !== 0) {
    throw new ConfigError(
      `${text.where}: "mrope_section" [${mropeSection.join(', ')}] with heads of ${fields.headDim} dims; expected three numbers, of time, height and width, and an even number of dims.`,
    );
  }
  return {
    ...fields,
    qkvBias: attentionBias,
    outputBias: attentionBias,
    mlpBias: false,
    slidingWindows: new Array<null>(fields.numHiddenLayers).fill(null),
    mropeSection,
  };
}

function parseVisionConfig(json: ConfigReader): Qwen3VlVisionConfig {
  const config: Qwen3VlVisionConfig = {
    ...parsePatchConfig(json, 16),
    depth: json.count('depth', 27),
    hiddenSize: json.count('hidden_size', 1152),
    hiddenAct: readActivation(json, 'hidden_act', 'gelu_pytorch_tanh'),
    intermediateSize: json.count('intermediate_size', 4304),
    numHeads: json.count('num_heads', 16),
    outHiddenSize: json.count('out_hidden_size', 3584),
    numPositionEmbeddings: json.count('num_position_embeddings', 2304),
    deepstackVisualIndexes: readLayers(json, 'deepstack_visual_indexes', [8, 16, 24]),
    ropeTheta: readAxialTheta(json),
  };
  checkAxialHeads(config.hiddenSize, config.numHeads, 'hidden_size', json.where);
  return config;
}
