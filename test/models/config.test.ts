import { describe, expect, test } from 'vitest';
import { parseClipVisionConfig } from '../../src/models/clip/config.ts';
import { readConfig } from '../../src/models/config-reader.ts';
import { parseGemmaConfig } from '../../src/models/gemma/config.ts';
import { parseLlamaConfig } from '../../src/models/llama/config.ts';
import { parseLlavaConfig } from '../../src/models/llava/config.ts';
import { featuresPerTile } from '../../src/models/llava/tower.ts';
import { parseQwen2Config } from '../../src/models/qwen2/config.ts';

const read = (json: unknown) => readConfig(json, 'config.json');

describe('configs', () => {
  test('the text_config of llava-hf/llava-1.5-7b-hf leaves most fields to the reference', () => {
    const json = {
      image_token_index: 32000,
      text_config: {
        max_position_embeddings: 4096,
        model_type: 'llama',
        rms_norm_eps: 1e-5,
        vocab_size: 32064,
      },
      vision_config: {
        hidden_size: 1024,
        image_size: 336,
        intermediate_size: 4096,
        num_attention_heads: 16,
        num_hidden_layers: 24,
        patch_size: 14,
      },
    };
    const config = parseLlavaConfig(read(json));
    expect(config.text).toMatchObject({
      hiddenSize: 4096,
      intermediateSize: 11008,
      numHiddenLayers: 32,
      numKeyValueHeads: 32,
      headDim: 128,
    });
    expect(config.text).toMatchObject({
      vocabSize: 32064,
      rmsNormEps: 1e-5,
      hiddenAct: 'silu',
      tieWordEmbeddings: false,
    });
    expect(config.tower.vision).toMatchObject({
      hiddenAct: 'quick_gelu',
      layerNormEps: 1e-5,
      numChannels: 3,
    });
    expect(config).toMatchObject({
      projector: 'mlp',
      projectorHiddenAct: 'gelu',
      tower: { kind: 'clip', visionFeatureLayers: [23] },
      imageTokenId: 32000,
    });
    expect(featuresPerTile(config.tower)).toBe(576);
    expect(featuresPerTile({ ...config.tower, visionFeatureSelectStrategy: 'full' })).toBe(577);
  });

  test('several feature layers, counted from the end', () => {
    const json = {
      text_config: {},
      vision_config: { num_hidden_layers: 4 },
      vision_feature_layer: [-1, -2, 0],
    };
    expect(parseLlavaConfig(read(json)).tower.visionFeatureLayers).toEqual([4, 3, 0]);
    expect(() => parseLlavaConfig(read({ ...json, vision_feature_layer: -6 }))).toThrow(
      '"vision_feature_layer" is -6, but the tower has 5 hidden states',
    );
  });

  test('activations by their other names', () => {
    for (const [name, activation] of [
      ['gelu_new', 'gelu_pytorch_tanh'],
      ['swish', 'silu'],
      ['gelu', 'gelu'],
    ]) {
      expect(parseClipVisionConfig(read({ hidden_act: name })).hiddenAct).toBe(activation);
    }
    expect(() => parseClipVisionConfig(read({ hidden_act: 'mish' }))).toThrow(
      '"hidden_act" is "mish"; expected one of',
    );
  });

  test('Gemma takes "gelu" for the tanh form, and heads of 256', () => {
    expect(parseGemmaConfig(read({ hidden_act: 'gelu' }))).toMatchObject({
      hiddenAct: 'gelu_pytorch_tanh',
      headDim: 256,
      tieWordEmbeddings: true,
    });
  });

  test('Qwen2 slides where the config says', () => {
    const base = { num_hidden_layers: 3, sliding_window: 64, max_window_layers: 1 };
    expect(parseQwen2Config(read(base)).slidingWindows).toEqual([null, null, null]);
    expect(parseQwen2Config(read({ ...base, use_sliding_window: true })).slidingWindows).toEqual([
      null,
      64,
      64,
    ]);
    const layer_types = ['sliding_attention', 'full_attention', 'sliding_attention'];
    expect(parseQwen2Config(read({ ...base, use_sliding_window: true, layer_types })).slidingWindows).toEqual(
      [64, null, 64],
    );
    expect(() => parseQwen2Config(read({ ...base, layer_types: ['full_attention'] }))).toThrow(
      '"layer_types" names 1 layers; expected 3',
    );
  });

  test.for([
    [
      { hidden_size: 10, num_attention_heads: 3 },
      'hidden_size 10 is not a multiple of num_attention_heads 3',
    ],
    [{ num_attention_heads: 4, num_key_value_heads: 3 }, 'not a multiple of num_key_value_heads 3'],
    [{ hidden_size: '64' }, '"hidden_size" is "64"; expected a positive integer'],
    [{ rms_norm_eps: null, vocab_size: 0 }, '"vocab_size" is 0; expected a positive integer'],
    [{ rope_scaling: { type: 'llama3', factor: 8 } }, '"low_freq_factor" is missing'],
  ] as const)('%j is refused', ([json, message]) => {
    expect(() => parseLlamaConfig(read(json))).toThrow(message);
  });
});
