import { describe, expect, test } from 'vitest';
import { openAdapters } from '../../../src/generate/adapters/open-adapters.ts';
import { readTensor } from '../../../src/weights/read-tensor.ts';
import type { TensorData } from '../../../src/weights/write-safetensors.ts';
import { makeIndex } from '../../runtime/make-index.ts';
import { adapterFiles, f32Tensor, valuesFor } from './adapter.ts';

const N = 6;
const K = 10;
const V = 12;
const PREFIX = 'base_model.model';

/** A checkpoint as transformers 4.x names its parts. */
const checkpoint = async () => ({
  index: await makeIndex([
    f32Tensor('language_model.model.embed_tokens.weight', [V, K]),
    f32Tensor('language_model.model.layers.0.self_attn.q_proj.weight', [N, K]),
    f32Tensor('language_model.model.layers.0.self_attn.v_proj.weight', [N, K]),
    f32Tensor('language_model.model.layers.0.input_layernorm.weight', [K]),
    f32Tensor('vision_tower.vision_model.layers.0.self_attn.q_proj.weight', [N, K]),
    f32Tensor('vision_tower.vision_model.patch_embedding.weight', [N, 3, 2, 2]),
  ]),
  close: async () => {},
});

const pair = (module: string, rank = 4, spelling = ''): TensorData[] => [
  f32Tensor(`${PREFIX}.${module}.lora_A${spelling}.weight`, [rank, K]),
  f32Tensor(`${PREFIX}.${module}.lora_B${spelling}.weight`, [N, rank]),
];

const open = async (config: Readonly<Record<string, unknown>>, tensors: readonly TensorData[]) =>
  openAdapters(await checkpoint(), [adapterFiles(config, tensors)]);

const Q = 'language_model.model.layers.0.self_attn.q_proj';

describe('adapters', () => {
  test.each([
    ['4.x', 'language_model.model.layers.0.self_attn.q_proj', ''],
    ['5.x', 'model.language_model.layers.0.self_attn.q_proj', ''],
    ['a language model alone', 'model.layers.0.self_attn.q_proj', ''],
    ['the adapter in the key', 'language_model.model.layers.0.self_attn.q_proj', '.default'],
  ])('find their tensors by the names of %s', async (_what, module, spelling) => {
    const { updates } = await open({}, pair(module, 4, spelling));
    expect([...updates.keys()]).toEqual([`${Q}.weight`]);
    expect(updates.get(`${Q}.weight`)).toMatchObject([{ scale: 2, transposed: false }]);
  });

  test('do not take a tower for the decoder', async () => {
    const { updates } = await open({}, pair('model.vision_tower.vision_model.layers.0.self_attn.q_proj'));
    expect([...updates.keys()]).toEqual(['vision_tower.vision_model.layers.0.self_attn.q_proj.weight']);
  });

  test('scale by alpha over the rank, or over its root', async () => {
    const scaleOf = async (config: Readonly<Record<string, unknown>>, rank = 4) =>
      (await open(config, pair(Q, rank))).updates.get(`${Q}.weight`)?.[0]?.scale;
    expect(await scaleOf({ r: 4, lora_alpha: 6 })).toBe(1.5);
    expect(await scaleOf({ r: 4, lora_alpha: 6, use_rslora: true })).toBe(3);
    expect(await scaleOf({ r: 4, lora_alpha: 6, alpha_pattern: { 'self_attn.q_proj': 2 } })).toBe(0.5);
    expect(await scaleOf({ r: 4, lora_alpha: 6, alpha_pattern: { n_q_proj: 2, k_proj: 3 } })).toBe(1.5);
    expect(await scaleOf({ r: 2, lora_alpha: 6, rank_pattern: { q_proj: 3 } }, 3)).toBe(2);
  });

  test('of embeddings are written the other way round', async () => {
    const { updates } = await open({}, [
      f32Tensor(`${PREFIX}.language_model.model.embed_tokens.lora_embedding_A`, [4, V]),
      f32Tensor(`${PREFIX}.language_model.model.embed_tokens.lora_embedding_B`, [K, 4]),
    ]);
    expect(updates.get('language_model.model.embed_tokens.weight')).toMatchObject([{ transposed: true }]);
  });

  test.each(['', '.modules_to_save.default'])(
    'bring tensors of their own, saved as module%s',
    async (between) => {
      const norm = 'language_model.model.layers.0.input_layernorm';
      const { index } = await open({ modules_to_save: ['input_layernorm'] }, [
        f32Tensor(`${PREFIX}.${norm}${between}.weight`, [K]),
      ]);
      const entry = index.get(`${norm}.weight`);
      expect(entry?.source.name).toBe('adapter_model.safetensors');
      expect(entry && (await readTensor(entry, 'f32'))).toEqual(
        valuesFor(`${PREFIX}.${norm}${between}.weight`, [K]),
      );
      expect(index.size).toBe((await checkpoint()).index.size);
    },
  );

  test('add up', async () => {
    const { updates } = await openAdapters(await checkpoint(), [
      adapterFiles({}, pair(Q)),
      adapterFiles({ r: 2, lora_alpha: 1 }, pair(Q, 2)),
    ]);
    expect(updates.get(`${Q}.weight`)?.map(({ scale }) => scale)).toEqual([2, 0.5]);
  });

  const twoHalves = [pair(Q)[0], pair('model.layers.0.self_attn.v_proj')[1]] as TensorData[];
  const cases: readonly [string, Readonly<Record<string, unknown>>, readonly TensorData[], RegExp][] = [
    ['another method', { peft_type: 'IA3' }, pair(Q), /"peft_type" is "IA3"; expected "LORA"/],
    ['DoRA by config', { use_dora: true }, pair(Q), /"use_dora" is true; .*merge_and_unload/],
    [
      'DoRA by tensor',
      {},
      [...pair(Q), f32Tensor(`${PREFIX}.${Q}.lora_magnitude_vector`, [N])],
      /"base_model.model.language_model.*lora_magnitude_vector" belongs to another method/,
    ],
    ['biases', { bias: 'lora_only' }, pair(Q), /"bias" is "lora_only"; expected "none"/],
    [
      'a bias of B',
      {},
      [...pair(Q), f32Tensor(`${PREFIX}.${Q}.lora_B.bias`, [N])],
      /lora_B.bias" belongs to another method/,
    ],
    ['PiSSA', { init_lora_weights: 'pissa_niter_4' }, pair(Q), /"init_lora_weights" is "pissa_niter_4"/],
    ['new tokens', { trainable_token_indices: [3] }, pair(Q), /"trainable_token_indices" is \[3\]/],
    [
      'a pattern that is an expression',
      { alpha_pattern: { '.*q_proj': 2 } },
      pair(Q),
      /"alpha_pattern" has the regular expression "\.\*q_proj"/,
    ],
    ['a pattern without a number', { rank_pattern: { q_proj: 'x' } }, pair(Q), /"rank_pattern" has "x"/],
    ['half a pair', {}, twoHalves, /has lora_A but no lora_B; expected both/],
    ['an empty file', {}, [], /holds no tensors/],
    [
      'a name PEFT would not give',
      {},
      [f32Tensor('q_proj.lora_A.weight', [4, K])],
      /does not begin with "base_model.model."/,
    ],
    [
      'an unknown module',
      {},
      pair('language_model.model.layers.7.self_attn.q_proj'),
      /adapts "language_model.model.layers.7.self_attn.q_proj.weight", which is not among the checkpoint's 6 tensors/,
    ],
    ['a head that is tied', {}, pair('lm_head'), /A head that is tied to the embeddings/],
    [
      'another rank',
      {},
      pair(Q, 5),
      /has A \[5, 10\] and B \[6, 5\] for ".*q_proj.weight" \[6, 10\]; expected A \[4, 10\] and B \[6, 4\]/,
    ],
    [
      'a kernel of a convolution',
      {},
      [
        f32Tensor(`${PREFIX}.vision_tower.vision_model.patch_embedding.lora_A.weight`, [4, 3, 2, 2]),
        f32Tensor(`${PREFIX}.vision_tower.vision_model.patch_embedding.lora_B.weight`, [N, 4, 1, 1]),
      ],
      /for ".*patch_embedding.weight" \[6, 3, 2, 2\].*for a matrix/,
    ],
    [
      'a table of another size',
      {},
      [f32Tensor(`${PREFIX}.language_model.model.embed_tokens.weight`, [V + 1, K])],
      /is \[13, 10\]; expected \[12, 10\]/,
    ],
  ];
  test.each(cases)('refuse %s', async (_what, config, tensors, message) => {
    await expect(open(config, tensors)).rejects.toThrow(message);
  });
});
