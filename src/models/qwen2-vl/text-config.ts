import { ConfigError } from '../../core/errors.ts';
import { type ConfigReader, readConfig } from '../config-reader.ts';
import { type DecoderDefaults, type LlamaConfig, parseDecoderFields } from '../llama/config.ts';
import { layerWindows } from '../qwen2/config.ts';

/** A decoder whose positions have three axes: time, height and width. */
export interface MropeTextConfig extends LlamaConfig {
  /** Frequencies that each axis turns, along the head. */
  readonly mropeSection: readonly number[];
}

/** https://huggingface.co/docs/transformers/model_doc/qwen2_vl#transformers.Qwen2VLTextConfig; Qwen2.5-VL has the same. */
const QWEN2_VL_DEFAULTS: DecoderDefaults = {
  vocabSize: 152064,
  hiddenSize: 8192,
  intermediateSize: 29568,
  numHiddenLayers: 80,
  numAttentionHeads: 64,
  maxPositionEmbeddings: 32768,
  rmsNormEps: 1e-5,
  hiddenAct: 'silu',
  tieWordEmbeddings: false,
};

/** The decoder of Qwen2-VL and Qwen2.5-VL: Qwen2's, with positions along three axes. Throws ConfigError. */
export function parseQwen2VlText(json: ConfigReader): MropeTextConfig {
  const text = mropeReader(json, { theta: 1e6, numKeyValueHeads: 8 });
  const fields = parseDecoderFields(text, QWEN2_VL_DEFAULTS);
  const mropeSection = readMropeSection(text, [16, 24, 24]);
  const frequencies = mropeSection.reduce((sum, size) => sum + size, 0);
  if (frequencies !== fields.headDim / 2) {
    throw new ConfigError(
      `${text.where}: "mrope_section" [${mropeSection.join(', ')}] has ${frequencies} frequencies, a head of ${fields.headDim} dims ${fields.headDim / 2}; expected the same.`,
    );
  }
  return {
    ...fields,
    qkvBias: true,
    outputBias: false,
    mlpBias: false,
    slidingWindows: layerWindows(text, fields.numHiddenLayers, 80),
    mropeSection,
  };
}

export interface MropeDefaults {
  readonly theta: number;
  /** Where the field is absent; one that is null means as many as there are query heads. */
  readonly numKeyValueHeads: number;
}

/**
 * The decoder's fields (in `text_config`, or beside `vision_config` in files before transformers 4.52) with rope settings
 * in one place: they may be in `rope_scaling`, of type "mrope", or in `rope_parameters`, and the base beside them.
 * Reference: convert_rope_params_to_dict of Qwen2VLTextConfig.
 */
export function mropeReader(json: ConfigReader, defaults: MropeDefaults): ConfigReader {
  const text = json.optionalObject('text_config') ?? json;
  const scaling = text.optionalObject('rope_scaling') ?? text.optionalObject('rope_parameters');
  const type = scaling?.string('rope_type', scaling.string('type', 'default')) ?? 'default';
  const rope = {
    ...scaling?.json,
    rope_theta: (scaling?.has('rope_theta') ? scaling : text).number('rope_theta', defaults.theta),
    rope_type: type === 'mrope' ? 'default' : type,
  };
  const { num_key_value_heads: heads = defaults.numKeyValueHeads } = text.json;
  return readConfig({ ...text.json, num_key_value_heads: heads, rope_parameters: rope }, text.where);
}

/** Throws ConfigError where a size is negative. */
export function readMropeSection(text: ConfigReader, fallback: readonly number[]): readonly number[] {
  const rope = text.object('rope_parameters');
  const sections = rope.integers('mrope_section', fallback);
  if (sections.every((size) => size >= 0)) return sections;
  throw new ConfigError(
    `${rope.where}: "mrope_section" is [${sections.join(', ')}]; expected a number of frequencies for each axis.`,
  );
}
