import { describe, expect, test } from 'vitest';
import { wholeModelGraphs } from '../../src/generate/graphs.ts';
import { readConfig } from '../../src/models/config-reader.ts';
import type { Precision } from '../../src/models/parameters.ts';
import { parseQwen3Config } from '../../src/models/qwen3/config.ts';
import { createModel } from '../../src/models/registry.ts';
import { compareValues } from '../../src/verify/compare.ts';
import { promptIds } from '../../src/verify/inputs.ts';
import type { TensorIndex } from '../../src/weights/safetensors.ts';
import { weightScope } from '../../src/weights/weight-scope.ts';
import { readGoldenJson } from '../read-golden.ts';
import { interpretDecoder, openGolden } from './golden.ts';

const F32: Precision = { weights: 'f32', activations: 'f32', kvCache: 'f32' };
const read = (json: unknown) => readConfig(json, 'config.json');

describe('qwen3', () => {
  // Without pictures all three axes of M-RoPE agree, and what is left of Qwen3-VL is Qwen3.
  test('is the decoder of qwen3_vl on text', async () => {
    const { text_config } = readGoldenJson<{ text_config: object }>('qwen3_vl/config.json');
    const { rope_scaling: _sections, ...json } = text_config as Record<string, unknown>;
    const model = createModel({ ...json, model_type: 'qwen3' }, 'config.json');
    const golden = await openGolden('qwen3_vl');
    const textName = (name: string): string => name.replace('model.language_model.', 'model.');
    const isText = (name: string): boolean => name.startsWith('model.language_model.');
    const index: TensorIndex = new Map(
      [...golden.index]
        .filter(([name]) => isText(name))
        .map(([name, entry]) => [textName(name), { ...entry, name: textName(name) }]),
    );
    const root = weightScope(index, 'qwen3');
    const weights = Object.fromEntries(
      Object.entries(golden.weights).map(([name, values]) => [textName(name), values]),
    );
    wholeModelGraphs(model, root, F32, 1);
    expect(root.finish()).toEqual([]);

    const run = golden.reference.runs.find(({ name }) => name === 'text_only');
    if (!run) throw new Error('the golden has a run without pictures');
    const [ids = []] = await promptIds(golden.reference, run);
    const features = new Float32Array();
    const { named } = interpretDecoder({ model, root, precision: F32, weights, ids, features });
    const expected = await golden.reference.floats(run, 'logits');
    const where = { run: run.name, stage: 'logits', shape: [] };
    expect(compareValues(where, named.get('logits') ?? [], expected, 1e-4)).toMatchObject({ ok: true });
    await golden.close();
  });

  test('has heads of 128 and no biases unless told', () => {
    expect(parseQwen3Config(read({}))).toMatchObject({
      headDim: 128,
      qkvBias: false,
      outputBias: false,
      rope: { ropeType: 'default', theta: 10000, rotaryDim: 128 },
    });
    expect(parseQwen3Config(read({ attention_bias: true, head_dim: 64 }))).toMatchObject({
      headDim: 64,
      qkvBias: true,
      outputBias: true,
    });
    const sliding = {
      use_sliding_window: true,
      sliding_window: 8,
      max_window_layers: 1,
      num_hidden_layers: 2,
    };
    expect(parseQwen3Config(read(sliding)).slidingWindows).toEqual([null, 8]);
  });
});
