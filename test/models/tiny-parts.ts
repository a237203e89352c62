import type { ProjectorChoice } from '../../src/models/compose/projector-choice.ts';
import { projectors } from '../../src/models/compose/projectors.ts';
import { readEncoder, type VisionEncoder } from '../../src/models/compose/vision-encoder.ts';
import { readConfig } from '../../src/models/config-reader.ts';
import type { Model } from '../../src/models/model.ts';
import { createModel } from '../../src/models/registry.ts';

// Parts of very small sizes, none of them equal to another where a mistake could hide behind it.

const tower = { num_hidden_layers: 2, num_attention_heads: 2, num_channels: 3, patch_size: 4 };

export const CLIP_CONFIG = {
  ...tower,
  model_type: 'clip_vision_model',
  hidden_size: 20,
  intermediate_size: 36,
  image_size: 16,
};
export const SIGLIP_CONFIG = {
  ...tower,
  model_type: 'siglip_vision_model',
  hidden_size: 24,
  intermediate_size: 28,
  // The pixels beyond the last whole patch are dropped.
  image_size: 26,
};

export const ENCODERS: Readonly<Record<string, VisionEncoder>> = {
  clip: readEncoder(readConfig(CLIP_CONFIG, 'clip')),
  'clip, layer -1': readEncoder(readConfig(CLIP_CONFIG, 'clip'), { featureLayer: -1 }),
  siglip: readEncoder(readConfig(SIGLIP_CONFIG, 'siglip')),
  'siglip, layer 1': readEncoder(readConfig(SIGLIP_CONFIG, 'siglip'), { featureLayer: 1 }),
};

/** Image tokens of each, by the side of a square of patches. */
export const PROJECTORS: Readonly<
  Record<string, { readonly choice: ProjectorChoice; readonly tokens: (side: number) => number }>
> = {
  linear: { choice: projectors.linear(), tokens: (side) => side ** 2 },
  mlp: { choice: projectors.mlp({ depth: 3 }), tokens: (side) => side ** 2 },
  'c-abstractor': {
    choice: projectors.cAbstractor({ tokens: 6, hiddenSize: 12, depth: 1 }),
    tokens: () => 6,
  },
  'pooling alone': {
    choice: projectors.cAbstractor({ tokens: [5, 1], depth: 0, mlpDepth: 1, positions: 'with-class' }),
    tokens: () => 5,
  },
  'average-pool': { choice: projectors.averagePool({ tokens: 4 }), tokens: () => 4 },
  'pixel-shuffle': { choice: projectors.pixelShuffle({ scaleFactor: 2 }), tokens: (side) => side ** 2 / 4 },
  'patch-merger': { choice: projectors.patchMerger(), tokens: (side) => side ** 2 / 4 },
  resampler: {
    choice: projectors.resampler({
      tokens: 3,
      depth: 2,
      numAttentionHeads: 4,
      numKeyValueHeads: 2,
      headDim: 6,
      intermediateSize: 10,
    }),
    tokens: () => 3,
  },
};

const text = { vocab_size: 40, num_hidden_layers: 2, num_attention_heads: 4, num_key_value_heads: 2 };

export const DECODER_CONFIGS: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  llama: { ...text, model_type: 'llama', hidden_size: 32, intermediate_size: 44 },
  qwen2: { ...text, model_type: 'qwen2', hidden_size: 16, intermediate_size: 20, tie_word_embeddings: true },
  gemma: { ...text, model_type: 'gemma', hidden_size: 20, intermediate_size: 24, head_dim: 6 },
};

export const DECODERS: Readonly<Record<string, Model>> = Object.fromEntries(
  Object.entries(DECODER_CONFIGS).map(([name, config]) => [name, createModel(config, name)]),
);
