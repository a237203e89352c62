import { ConfigError } from '../../core/errors.ts';
import type { Activation } from '../../ops/activation.ts';
import { readActivation } from '../activation-name.ts';
import { parseRopeParameters, type RopeParameters } from '../blocks/rope-parameters.ts';
import type { ConfigReader } from '../config-reader.ts';

/** A Llama-style decoder, by the checkpoint's own field names. */
export interface LlamaConfig {
  readonly vocabSize: number;
  readonly hiddenSize: number;
  readonly intermediateSize: number;
  readonly numHiddenLayers: number;
  readonly numAttentionHeads: number;
  readonly numKeyValueHeads: number;
  readonly headDim: number;
  readonly hiddenAct: Activation;
  readonly maxPositionEmbeddings: number;
  readonly rmsNormEps: number;
  readonly tieWordEmbeddings: boolean;
  /** Bias of q, k and v; Llama's `attention_bias` sets it together with `outputBias`, Qwen2 has it alone. */
  readonly qkvBias: boolean;
  readonly outputBias: boolean;
  readonly mlpBias: boolean;
  /** Keys a query of each layer sees, counted back from itself; null sees all. */
  readonly slidingWindows: readonly (number | null)[];
  readonly rope: RopeParameters;
}

/** Values that transformers' config class gives to fields a checkpoint leaves out. */
export interface DecoderDefaults {
  readonly vocabSize: number;
  readonly hiddenSize: number;
  readonly intermediateSize: number;
  readonly numHiddenLayers: number;
  readonly numAttentionHeads: number;
  /** Where absent: numAttentionHeads, which `null` in a file stands for in all of them. */
  readonly numKeyValueHeads?: number;
  /** Where absent: hiddenSize / numAttentionHeads. */
  readonly headDim?: number;
  readonly maxPositionEmbeddings: number;
  readonly rmsNormEps: number;
  readonly hiddenAct: Activation;
  readonly tieWordEmbeddings: boolean;
}

/** https://huggingface.co/docs/transformers/model_doc/llama#transformers.LlamaConfig (LLaVA 1.5's text_config relies on them). */
const LLAMA_DEFAULTS: DecoderDefaults = {
  vocabSize: 32000,
  hiddenSize: 4096,
  intermediateSize: 11008,
  numHiddenLayers: 32,
  numAttentionHeads: 32,
  maxPositionEmbeddings: 2048,
  rmsNormEps: 1e-6,
  hiddenAct: 'silu',
  tieWordEmbeddings: false,
};

export function parseLlamaConfig(json: ConfigReader): LlamaConfig {
  const attentionBias = json.boolean('attention_bias', false);
  const fields = parseDecoderFields(json, LLAMA_DEFAULTS);
  return {
    ...fields,
    qkvBias: attentionBias,
    outputBias: attentionBias,
    mlpBias: json.boolean('mlp_bias', false),
    slidingWindows: new Array<null>(fields.numHiddenLayers).fill(null),
  };
}

/** The fields that Llama and its relatives spell alike. */
export function parseDecoderFields(
  json: ConfigReader,
  defaults: DecoderDefaults,
): Omit<LlamaConfig, 'qkvBias' | 'outputBias' | 'mlpBias' | 'slidingWindows'> {
  const hiddenSize = json.count('hidden_size', defaults.hiddenSize);
  const numAttentionHeads = json.count('num_attention_heads', defaults.numAttentionHeads);
  const sharesNoHeads = json.value('num_key_value_heads') === null;
  const numKeyValueHeads = json.count(
    'num_key_value_heads',
    sharesNoHeads ? numAttentionHeads : (defaults.numKeyValueHeads ?? numAttentionHeads),
  );
  const maxPositionEmbeddings = json.count('max_position_embeddings', defaults.maxPositionEmbeddings);
  if (numAttentionHeads % numKeyValueHeads !== 0) {
    throw new ConfigError(
      `${json.where}: num_attention_heads ${numAttentionHeads} is not a multiple of num_key_value_heads ${numKeyValueHeads}; expected whole groups.`,
    );
  }
  const hasHeadDim = json.has('head_dim') || defaults.headDim !== undefined;
  if (!hasHeadDim && hiddenSize % numAttentionHeads !== 0) {
    throw new ConfigError(
      `${json.where}: hidden_size ${hiddenSize} is not a multiple of num_attention_heads ${numAttentionHeads} and there is no head_dim; expected one of the two.`,
    );
  }
  const headDim = json.count('head_dim', defaults.headDim ?? hiddenSize / numAttentionHeads);
  return {
    vocabSize: json.count('vocab_size', defaults.vocabSize),
    hiddenSize,
    intermediateSize: json.count('intermediate_size', defaults.intermediateSize),
    numHiddenLayers: json.count('num_hidden_layers', defaults.numHiddenLayers),
    numAttentionHeads,
    numKeyValueHeads,
    headDim,
    hiddenAct: readActivation(json, 'hidden_act', defaults.hiddenAct),
    maxPositionEmbeddings,
    rmsNormEps: json.number('rms_norm_eps', defaults.rmsNormEps),
    tieWordEmbeddings: json.boolean('tie_word_embeddings', defaults.tieWordEmbeddings),
    rope: parseRopeParameters(json, headDim),
  };
}
