import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { WeightError } from '../../src/core/errors.ts';
import { bytesSource } from '../../src/weights/byte-source.ts';
import { openCheckpoint } from '../../src/weights/checkpoint.ts';
import { folderFiles } from '../../src/weights/checkpoint-folder.ts';
import { KNOWN_BUFFERS } from '../../src/weights/known-buffers.ts';
import { readSafetensorsIndex, type TensorIndex } from '../../src/weights/safetensors.ts';
import { type WeightScope, weightScope } from '../../src/weights/weight-scope.ts';
import { encodeSafetensors } from '../../src/weights/write-safetensors.ts';
import { goldenPath } from '../read-golden.ts';

/** An index of U8 tensors by name and shape. */
async function indexOf(shapes: Record<string, readonly number[]>): Promise<TensorIndex> {
  const tensors = Object.entries(shapes).map(([name, shape]) => {
    const bytes = new Uint8Array(shape.reduce((product, size) => product * size, 1));
    return { name, dtype: 'U8', shape, bytes } as const;
  });
  return readSafetensorsIndex(bytesSource('model.safetensors', encodeSafetensors(tensors)));
}

const rootOf = async (shapes: Record<string, readonly number[]>) =>
  weightScope(await indexOf(shapes), 'tiny');

describe('a scope', () => {
  test('gives tensors by names relative to its prefix', async () => {
    const root = await rootOf({ 'model.layers.0.q.weight': [2, 3], 'lm_head.weight': [4] });
    const layer = root.scope('model').scope('layers.0');
    expect(layer.prefix).toBe('model.layers.0');
    expect(layer.get('q.weight', [2, 3])).toMatchObject({
      name: 'model.layers.0.q.weight',
      shape: [2, 3],
      dtype: 'U8',
      entry: { byteLength: 6 },
    });
    expect([layer.has('q.weight'), layer.has('k.weight'), root.has('q.weight')]).toEqual([
      true,
      false,
      false,
    ]);
    expect(root.scope('').get('lm_head.weight', [4]).name).toBe('lm_head.weight');
    expect(layer.optional('q.bias', [2])).toBeUndefined();
    expect(layer.optional('q.weight', [2, 3])?.name).toBe('model.layers.0.q.weight');
    expect(root.finish()).toEqual([]);
  });

  test('refuses another shape at once, with tensor, file, found and expected', async () => {
    const root = await rootOf({ 'a.weight': [2, 3] });
    for (const ask of [root.get, root.optional]) {
      expect(() => ask('a.weight', [3, 2])).toThrow(WeightError);
      expect(() => ask('a.weight', [3, 2])).toThrow(
        'tiny: tensor "a.weight" in model.safetensors is [2, 3]; expected [3, 2].',
      );
    }
    expect(() => root.get('a.weight', [2, 3, 1])).toThrow(WeightError);
    expect(() => root.get('a.weight', [6])).toThrow(WeightError);
  });

  test('lists all missing tensors in one error, twenty by name', async () => {
    const root = await rootOf({ present: [1] });
    const ref = root.scope('layers').get('0.weight', [7, 5]);
    expect(ref).toMatchObject({ name: 'layers.0.weight', shape: [7, 5] });
    await expect(ref.entry.source.read(0, 4)).rejects.toThrow(/tensor "layers\.0\.weight" is missing/);
    for (let i = 1; i < 23; i++) root.get(`layers.${i}.weight`, [i]);
    root.get('layers.1.weight', [1]);
    const message = (() => {
      try {
        root.finish();
      } catch (error) {
        expect(error).toBeInstanceOf(WeightError);
        return (error as WeightError).message;
      }
      return expect.fail('no error');
    })();
    expect(message).toContain("tiny: 23 of the model's tensors are missing among the 1 of the checkpoint");
    expect(message).toContain('\n  layers.0.weight [7, 5]\n');
    expect(message).toContain('\n  layers.19.weight [19]\n  and 3 more');
    expect(message).not.toContain('layers.20.');
  });

  test('reports unused tensors, sorted, less known buffers and what is skipped', async () => {
    const root = await rootOf({
      'z.weight': [1],
      'b.weight': [1],
      'a.weight': [1],
      'vision.layers.3.weight': [1],
      'vision.layers.30.weight': [1],
      'vision.embeddings.position_ids': [1, 17],
      'layers.0.rotary_emb.inv_freq': [4],
    });
    root.get('b.weight', [1]);
    root.scope('vision').skip('layers.3');
    expect(root.finish()).toEqual(['a.weight', 'vision.layers.30.weight', 'z.weight']);
    root.skip('z.weight');
    expect(root.finish()).toEqual(['a.weight', 'vision.layers.30.weight']);
  });
});

describe('known buffers', () => {
  test.each([
    ['text_model.embeddings.position_ids', [1, 77], true],
    ['position_ids', [1, 77], true],
    ['model.layers.0.self_attn.rotary_emb.inv_freq', [4], true],
    ['model.rotary_emb.inv_freq', [4], true],
    ['model.layers.0.self_attn.rotary_emb.cos_cached', [1, 1, 8, 4], true],
    ['h.0.attn.bias', [1, 1, 8, 8], true],
    ['h.0.attn.masked_bias', [], true],
    ['gpt_neox.layers.0.attention.bias', [1, 1, 8, 8], true],
    ['bn.num_batches_tracked', [], true],
    ['encoder.attn.relative_position_index', [4, 4], true],
    // Weights with names much like them.
    ['h.0.attn.bias', [8], false],
    ['embeddings.position_ids.weight', [8, 8], false],
    ['my_position_ids', [8], false],
    ['self_attn.q_proj.bias', [8], false],
    ['relative_position_bias_table', [8, 8], false],
  ] as const)('%s of shape %j: %s', async (name, shape, known) => {
    expect((await rootOf({ [name]: shape })).finish()).toEqual(known ? [] : [name]);
  });

  test('each has a reason', () => {
    for (const { reason } of KNOWN_BUFFERS) expect(reason.length).toBeGreaterThan(20);
  });
});

describe('prefixes of transformers 4.x and 5.x', () => {
  test('the first that holds a tensor is taken, relative to the scope', async () => {
    const root = await rootOf({ 'model.language_model.norm.weight': [1] });
    const decoder = ['language_model.model', 'model.language_model', 'model'];
    expect(root.firstScope(decoder).prefix).toBe('model.language_model');
    expect(root.scope('model').firstScope(['vision_tower', 'language_model']).prefix).toBe(
      'model.language_model',
    );
    expect(root.firstScope(['']).prefix).toBe('');
  });

  test('a prefix is whole parts of a name, and no tensor itself', async () => {
    const root = await rootOf({ 'model_x.norm.weight': [1] });
    expect(() => root.firstScope(['model', 'model_x.norm.weight'])).toThrow(
      'tiny: no tensor under "model", "model_x.norm.weight"; expected one of these prefixes. The checkpoint has model_x.',
    );
  });

  const DECODER = ['model.language_model', 'language_model.model', 'model'];
  const VISION = [
    'model.vision_tower.vision_model',
    'vision_tower.vision_model',
    'model.vision_tower',
    'vision_tower',
  ];
  const PROJECTOR = ['model.multi_modal_projector', 'multi_modal_projector'];

  const vision = (root: WeightScope): string => {
    const scope = root.firstScope(VISION);
    scope.get('pre_layrnorm.weight', [48]);
    return scope.prefix;
  };

  test.each([
    ['llava15', 640, 64, 'language_model.model', 'vision_tower.vision_model'],
    ['llava_linear', 512, 64, 'language_model.model', 'vision_tower'],
    ['llama3_text', 448, 64, 'model', undefined],
    ['qwen2_text', 416, 56, 'model', undefined],
  ] as const)('%s is reached', async (name, vocabSize, hiddenSize, decoderPrefix, visionPrefix) => {
    const checkpoint = await openCheckpoint(await folderFiles(fileURLToPath(goldenPath(name))));
    const root = weightScope(checkpoint.index, name);
    const decoder = root.firstScope(DECODER);
    expect(decoder.prefix).toBe(decoderPrefix);
    expect(decoder.get('embed_tokens.weight', [vocabSize, hiddenSize]).entry.shape).toEqual([
      vocabSize,
      hiddenSize,
    ]);
    if (visionPrefix) {
      expect(vision(root)).toBe(visionPrefix);
      expect(root.firstScope(PROJECTOR).get('linear_1.weight', [hiddenSize, 48]).dtype).toMatch(/^F(16|32)$/);
      expect(root.firstScope(['language_model.lm_head', 'lm_head']).has('weight')).toBe(true);
    }
    const unused = root.finish();
    expect(unused).toContain(`${decoderPrefix}.layers.0.input_layernorm.weight`);
    expect(unused.filter((tensor) => tensor.includes('inv_freq'))).toEqual([]);
    await checkpoint.close();
  });
});
