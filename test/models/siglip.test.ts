import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { Graph } from '../../src/graph/graph.ts';
import { interpret } from '../../src/graph/interpret.ts';
import { readConfig } from '../../src/models/config-reader.ts';
import { bindParameters } from '../../src/models/parameters.ts';
import { numPatches, parseSiglipVisionConfig } from '../../src/models/siglip/config.ts';
import { siglipLastHiddenState, siglipVision } from '../../src/models/siglip/vision.ts';
import { compareValues } from '../../src/verify/compare.ts';
import { openCheckpoint } from '../../src/weights/checkpoint.ts';
import { folderFiles } from '../../src/weights/checkpoint-folder.ts';
import { readTensor } from '../../src/weights/read-tensor.ts';
import { weightScope } from '../../src/weights/weight-scope.ts';
import { goldenPath, readGoldenJson, readGoldenTensors } from '../read-golden.ts';

const read = (json: unknown) => readConfig(json, 'config.json');

describe('the config', () => {
  test('of google/siglip-so400m-patch14-384 leaves channels and activation to the reference', () => {
    const config = parseSiglipVisionConfig(
      read({
        hidden_size: 1152,
        image_size: 384,
        intermediate_size: 4304,
        model_type: 'siglip_vision_model',
        num_attention_heads: 16,
        num_hidden_layers: 27,
        patch_size: 14,
      }),
    );
    expect(config).toMatchObject({
      numChannels: 3,
      hiddenAct: 'gelu_pytorch_tanh',
      layerNormEps: 1e-6,
      visionUseHead: true,
    });
    // 384 / 14 is 27.4: the pixels beyond are dropped.
    expect(numPatches(config)).toBe(729);
  });

  test('names fields and numbers where heads are not whole', () => {
    expect(() => parseSiglipVisionConfig(read({ hidden_size: 100, num_attention_heads: 3 }))).toThrow(
      'hidden_size 100 is not a multiple of num_attention_heads 3',
    );
  });
});

test('every state of the vision tower in f64', async () => {
  const files = await folderFiles(fileURLToPath(goldenPath('siglip')));
  const checkpoint = await openCheckpoint(files);
  const reference = readGoldenTensors('siglip/reference.safetensors');
  const json = readGoldenJson<{ vision_config: unknown }>('siglip/config.json');
  const config = parseSiglipVisionConfig(read(json.vision_config));

  const graph = new Graph();
  const root = weightScope(checkpoint.index, 'siglip').scope('vision_model');
  const w = bindParameters(graph, root, { weights: 'f32', activations: 'f32', kvCache: 'f32' });
  const states = siglipVision(graph.input('pixelValues', [3, 3, 32, 32], 'f32'), config, w);
  expect(states.map((state) => state.shape)).toEqual(Array(4).fill([3, 16, 48]));
  siglipLastHiddenState(states.at(-1) ?? expect.unreachable(), config, w);

  const weights: Record<string, Float32Array> = {};
  for (const [name, entry] of checkpoint.index) weights[name] = await readTensor(entry, 'f32');
  const { named } = interpret(graph, { ...weights, pixelValues: reference('inputs.pixel_values').data });
  const hidden = states.flatMap((_, i) => [...(named.get(`vision.hidden_states.${i}`) ?? [])]);
  const last = named.get('vision.last_hidden_state') ?? [];
  for (const [stage, actual] of [
    ['vision.hidden_states', hidden],
    ['vision.last_hidden_state', last],
  ] as const) {
    const where = { run: 'siglip', stage, shape: [] };
    expect(compareValues(where, actual, reference(stage).data, 1e-4)).toMatchObject({ ok: true });
  }
  await checkpoint.close();
});
