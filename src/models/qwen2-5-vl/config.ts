import { ConfigError } from '../../core/errors.ts';
import type { Activation } from '../../ops/activation.ts';
import { readActivation } from '../activation-name.ts';
import type { ConfigReader } from '../config-reader.ts';
import {
  checkAxialHeads,
  checkFeatureWidth,
  type PatchConfig,
  parseOuterFields,
  parsePatchConfig,
  type QwenVlConfig,
  readAxialTheta,
} from '../qwen2-vl/config.ts';
import { type MropeTextConfig, parseQwen2VlText } from '../qwen2-vl/text-config.ts';

/** Qwen2.5-VL's vision transformer, by the checkpoint's own field names. */
export interface Qwen25VlVisionConfig extends PatchConfig {
  readonly depth: number;
  readonly hiddenSize: number;
  readonly hiddenAct: Activation;
  readonly intermediateSize: number;
  readonly numHeads: number;
  readonly outHiddenSize: number;
  /** Side of the windows in pixels. */
  readonly windowSize: number;
  /** Layers in which every patch sees all; in others those of its window. */
  readonly fullattBlockIndexes: readonly number[];
  /** Steps of a video's positions in a second. */
  readonly tokensPerSecond: number;
  readonly ropeTheta: number;
}

export type Qwen25VlConfig = QwenVlConfig<MropeTextConfig, Qwen25VlVisionConfig>;

/** Fallbacks: https://huggingface.co/docs/transformers/model_doc/qwen2_5_vl#transformers.Qwen2_5_VLConfig */
export function parseQwen25VlConfig(json: ConfigReader): Qwen25VlConfig {
  const text = parseQwen2VlText(json);
  const vision = parseVisionConfig(json.object('vision_config'));
  checkFeatureWidth(vision.outHiddenSize, 'out_hidden_size', text, json.where);
  return { text, vision, ...parseOuterFields(json, text) };
}

/** Merged patches along a window's side. */
export const windowSide = ({ windowSize, spatialMergeSize, patchSize }: Qwen25VlVisionConfig): number =>
  Math.floor(Math.floor(windowSize / spatialMergeSize) / patchSize);

export const parseTokensPerSecond = (visionConfig: ConfigReader): number =>
  visionConfig.number('tokens_per_second', 4);

function parseVisionConfig(json: ConfigReader): Qwen25VlVisionConfig {
  const config: Qwen25VlVisionConfig = {
    ...parsePatchConfig(json, 14),
    depth: json.count('depth', 32),
    hiddenSize: json.count('hidden_size', 3584),
    hiddenAct: readActivation(json, 'hidden_act', 'silu'),
    intermediateSize: json.count('intermediate_size', 3420),
    numHeads: json.count('num_heads', 16),
    outHiddenSize: json.count('out_hidden_size', 3584),
    windowSize: json.count('window_size', 112),
    fullattBlockIndexes: readLayers(json, 'fullatt_block_indexes', [7, 15, 23, 31]),
    tokensPerSecond: parseTokensPerSecond(json),
    ropeTheta: readAxialTheta(json),
  };
  checkAxialHeads(config.hiddenSize, config.numHeads, 'hidden_size', json.where);
  if (windowSide(config) === 0) {
    throw new ConfigError(
      `${json.where}: "window_size" is ${config.windowSize} pixels; expected at least ${config.spatialMergeSize * config.patchSize}, a merged patch.`,
    );
  }
  return config;
}

/** Indices of layers; none where the list is empty. */
export function readLayers(
  json: ConfigReader,
  field: string,
  fallback: readonly number[],
): readonly number[] {
  const value = json.value(field);
  return Array.isArray(value) && value.length === 0 ? [] : json.integers(field, fallback);
}
