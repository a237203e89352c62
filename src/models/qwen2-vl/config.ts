import { ConfigError } from '../../core/errors.ts';
import type { Activation } from '../../ops/activation.ts';
import { readActivation } from '../activation-name.ts';
import type { ConfigReader } from '../config-reader.ts';
import { type MropeTextConfig, parseQwen2VlText } from './text-config.ts';

/** How a tower of this family takes pictures: in patches of a few frames, some of which are joined at the end. */
export interface PatchConfig {
  readonly inChannels: number;
  readonly patchSize: number;
  /** Frames of a patch; a still picture is repeated to as many. */
  readonly temporalPatchSize: number;
  /** Patches joined along each side by the merger. */
  readonly spatialMergeSize: number;
}

/** Qwen2-VL's vision transformer, by the checkpoint's own field names. */
export interface Qwen2VlVisionConfig extends PatchConfig {
  readonly depth: number;
  /** Width of the tower. */
  readonly embedDim: number;
  /** Width of its features, and so of the decoder. */
  readonly hiddenSize: number;
  readonly hiddenAct: Activation;
  /** Width of the MLP over that of the tower. */
  readonly mlpRatio: number;
  readonly numHeads: number;
  readonly ropeTheta: number;
}

/** What the families Qwen2-VL, Qwen2.5-VL and Qwen3-VL share. */
export interface QwenVlConfig<Text extends MropeTextConfig, Vision extends PatchConfig> {
  readonly text: Text;
  readonly vision: Vision;
  readonly imageTokenId: number;
  readonly videoTokenId: number;
  readonly tieWordEmbeddings: boolean;
}

export type Qwen2VlConfig = QwenVlConfig<MropeTextConfig, Qwen2VlVisionConfig>;

/** Fallbacks: https://huggingface.co/docs/transformers/model_doc/qwen2_vl#transformers.Qwen2VLConfig */
export function parseQwen2VlConfig(json: ConfigReader): Qwen2VlConfig {
  const text = parseQwen2VlText(json);
  const vision = parseVisionConfig(json.object('vision_config'));
  checkFeatureWidth(vision.hiddenSize, 'hidden_size', text, json.where);
  return { text, vision, ...parseOuterFields(json, text) };
}

/** Fields beside the two parts. Fallbacks are the same in all three config classes. */
export function parseOuterFields(json: ConfigReader, text: MropeTextConfig) {
  return {
    imageTokenId: json.integer('image_token_id', 151655),
    videoTokenId: json.integer('video_token_id', 151656),
    tieWordEmbeddings: json.boolean('tie_word_embeddings', false) || text.tieWordEmbeddings,
  };
}

/** `in_chans`, which files of 4.x hold, is not among them: the reference does not read it. */
export const parsePatchConfig = (json: ConfigReader, patchSize: number): PatchConfig => ({
  inChannels: json.count('in_channels', 3),
  patchSize: json.count('patch_size', patchSize),
  temporalPatchSize: json.count('temporal_patch_size', 2),
  spatialMergeSize: json.count('spatial_merge_size', 2),
});

function parseVisionConfig(json: ConfigReader): Qwen2VlVisionConfig {
  const config: Qwen2VlVisionConfig = {
    ...parsePatchConfig(json, 14),
    depth: json.count('depth', 32),
    embedDim: json.count('embed_dim', 1280),
    hiddenSize: json.count('hidden_size', 3584),
    hiddenAct: readActivation(json, 'hidden_act', 'quick_gelu'),
    mlpRatio: json.number('mlp_ratio', 4),
    numHeads: json.count('num_heads', 16),
    ropeTheta: readAxialTheta(json),
  };
  checkAxialHeads(config.embedDim, config.numHeads, 'embed_dim', json.where);
  if (config.mlpRatio * config.embedDim < 1) {
    throw new ConfigError(
      `${json.where}: "mlp_ratio" is ${config.mlpRatio}; expected a positive number, such as 4.`,
    );
  }
  return config;
}

/** The base of a tower's rotary positions, which have one scheme alone. */
export function readAxialTheta(json: ConfigReader): number {
  const rope = json.optionalObject('rope_scaling') ?? json.optionalObject('rope_parameters');
  rope?.choice('rope_type', ['axial', 'default'], rope.choice('type', ['axial', 'default'], 'axial'));
  return (rope?.has('rope_theta') ? rope : json).number('rope_theta', 10000);
}

/** Rows and columns each turn a quarter of a head. Throws ConfigError where its dims do not divide so. */
export function checkAxialHeads(width: number, heads: number, field: string, where: string): void {
  if (width % (4 * heads) === 0) return;
  throw new ConfigError(
    `${where}: "${field}" ${width} in ${heads} heads gives ${width / heads} dims per head; expected a multiple of 4, for rotary positions along two axes.`,
  );
}

/** Throws ConfigError where features are not as wide as the decoder. */
export function checkFeatureWidth(width: number, field: string, text: MropeTextConfig, where: string): void {
  if (width === text.hiddenSize) return;
  throw new ConfigError(
    `${where}: vision_config "${field}" is ${width}, the decoder's hidden_size ${text.hiddenSize}; expected the same, since features stand among its embeddings.`,
  );
}
