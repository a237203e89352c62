import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { readContrastiveAssets } from '../../src/embed/contrastive-assets.ts';
import { buildImageGraph, buildTextGraph } from '../../src/embed/graphs.ts';
import { logitParameterReader } from '../../src/embed/logit-parameters.ts';
import { interpret } from '../../src/graph/interpret.ts';
import { parseClipConfig } from '../../src/models/clip/config.ts';
import { clipTextPosition } from '../../src/models/clip/text.ts';
import { readConfig } from '../../src/models/config-reader.ts';
import type { Precision } from '../../src/models/parameters.ts';
import { createDualEncoder, createModel } from '../../src/models/registry.ts';
import { parseSiglipConfig } from '../../src/models/siglip/config.ts';
import { compareValues } from '../../src/verify/compare.ts';
import { openCheckpoint } from '../../src/weights/checkpoint.ts';
import { folderFiles } from '../../src/weights/checkpoint-folder.ts';
import { readTensor } from '../../src/weights/read-tensor.ts';
import { weightScope } from '../../src/weights/weight-scope.ts';
import { goldenPath, readGoldenTensors } from '../read-golden.ts';

const F32: Precision = { weights: 'f32', activations: 'f32', kvCache: 'f32' };
const read = (json: unknown) => readConfig(json, 'config.json');

test.each(['clip', 'siglip', 'siglip2'])(
  '%s: embeddings in f64, no tensor missing or unused',
  async (name) => {
    const files = await folderFiles(fileURLToPath(goldenPath(name)));
    const { model } = await readContrastiveAssets(files);
    const checkpoint = await openCheckpoint(files);
    const reference = readGoldenTensors(`${name}/reference.safetensors`);
    const root = weightScope(checkpoint.index, name);
    const weights: Record<string, Float32Array> = {};
    for (const [tensor, entry] of checkpoint.index)
      if (entry.dtype === 'F32') weights[tensor] = await readTensor(entry, 'f32');

    const ids = reference('inputs.input_ids');
    const [batch = 0, seq = 0] = ids.shape;
    const pooledRows = Array.from({ length: batch }, (_, i) => {
      const row = [...ids.data.slice(i * seq, (i + 1) * seq)];
      return i * seq + model.pooledPosition(row);
    });
    const imageGraph = buildImageGraph(model, root, F32, 3);
    const textGraph = buildTextGraph(model, root, F32, { batch, seq });
    const images = interpret(imageGraph, { ...weights, pixelValues: reference('inputs.pixel_values').data });
    const texts = interpret(textGraph, { ...weights, ids: ids.data, pooledRows });
    for (const [stage, values] of [...images.named, ...texts.named]) {
      if (!/pooler_output|embeds/.test(stage)) continue;
      const where = { run: name, stage, shape: [] };
      expect(compareValues(where, values, reference(stage).data, 1e-5)).toMatchObject({ ok: true });
    }
    expect(images.outputs.get('embeddings')).toEqual(images.named.get('image_embeds'));
    expect(texts.outputs.get('embeddings')).toEqual(texts.named.get('text_embeds'));

    const { logitScale, logitBias } = await logitParameterReader(model, root)();
    expect(logitScale).toBe(reference('logit_scale').data[0]);
    expect(logitBias).toBe(name === 'clip' ? 0 : reference('logit_bias').data[0]);
    expect(root.finish()).toEqual([]);
    await checkpoint.close();
  },
);

describe('the token that stands for a text in CLIP', () => {
  const { text } = parseClipConfig(read({ text_config: {}, vision_config: {} }));

  test('is the first end token', () => {
    expect(text.eosTokenId).toBe(49407);
    expect(clipTextPosition([49406, 320, 49407, 49407], text)).toBe(2);
    expect(clipTextPosition([49406, 320], text)).toBe(0);
  });

  test('is the first of the largest ids where the config says 2, as all original ones do', () => {
    const original = { ...text, eosTokenId: 2 };
    expect(clipTextPosition([49406, 2, 320, 49407, 49407], original)).toBe(3);
  });
});

describe('configs', () => {
  test('openai/clip-vit-large-patch14 of 2021 has its towers in *_config_dict', () => {
    const config = parseClipConfig(
      read({
        model_type: 'clip',
        projection_dim: 768,
        text_config: null,
        text_config_dict: { hidden_size: 768, intermediate_size: 3072, num_attention_heads: 12 },
        vision_config_dict: { hidden_size: 1024, num_attention_heads: 16, patch_size: 14 },
      }),
    );
    expect(config).toMatchObject({
      projectionDim: 768,
      text: { hiddenSize: 768, hiddenAct: 'quick_gelu', maxPositionEmbeddings: 77, vocabSize: 49408 },
      vision: { hiddenSize: 1024, numHiddenLayers: 12, patchSize: 14 },
    });
  });

  test('google/siglip-base-patch16-224 leaves everything to the reference', () => {
    const config = parseSiglipConfig(
      read({
        text_config: { model_type: 'siglip_text_model' },
        vision_config: { model_type: 'siglip_vision_model' },
      }),
    );
    expect(config.text).toEqual({
      vocabSize: 32000,
      hiddenSize: 768,
      intermediateSize: 3072,
      numHiddenLayers: 12,
      numAttentionHeads: 12,
      maxPositionEmbeddings: 64,
      hiddenAct: 'gelu_pytorch_tanh',
      layerNormEps: 1e-6,
      projectionSize: 768,
    });
  });

  test('SigLIP towers that do not meet are refused', () => {
    const towers = (text: object, vision: object) => read({ text_config: text, vision_config: vision });
    expect(() => parseSiglipConfig(towers({ projection_size: 512 }, {}))).toThrow(
      'texts are embedded in 512 dimensions, pictures in 768',
    );
    expect(() => parseSiglipConfig(towers({}, { vision_use_head: false }))).toThrow(
      'pictures in none (vision_use_head is false)',
    );
  });
});

describe('each kind of model names the way to the other', () => {
  const create = (build: typeof createModel | typeof createDualEncoder, modelType: string) => () =>
    build({ model_type: modelType }, 'config.json');

  test('a dual encoder for loadModel', () => {
    expect(create(createModel, 'clip')).toThrow(
      'model_type "clip" embeds pictures and texts and writes none; expected one of gemma',
    );
    expect(create(createModel, 'siglip')).toThrow(
      'Use loadContrastiveModel, or the commands embed, classify',
    );
  });

  test('a writing model for loadContrastiveModel', () => {
    expect(create(createDualEncoder, 'llava')).toThrow(
      'model_type "llava" writes text and embeds nothing; expected one of clip, siglip. Use loadModel',
    );
  });

  test('SigLIP 2 of flexible resolution, and what nobody knows', () => {
    expect(create(createDualEncoder, 'siglip2')).toThrow('is the SigLIP 2 of flexible resolution (NaFlex)');
    expect(create(createDualEncoder, 'abacus')).toThrow(
      'model_type "abacus" is not supported; expected one of clip, siglip',
    );
  });
});
