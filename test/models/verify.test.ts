import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { float16ToFloat32, float32ToFloat16 } from '../../src/core/float16.ts';
import type { Precision } from '../../src/models/parameters.ts';
import { createWeightStore } from '../../src/runtime/weight-store.ts';
import { compareValues } from '../../src/verify/compare.ts';
import { makePrompt } from '../../src/verify/inputs.ts';
import type { ReferenceRun } from '../../src/verify/reference.ts';
import type { StageResult } from '../../src/verify/stage-result.ts';
import { captureDecoder } from '../../src/verify/stages.ts';
import { verifyCheckpoint } from '../../src/verify/verify.ts';
import { folderFiles } from '../../src/weights/checkpoint-folder.ts';
import type { TensorIndex } from '../../src/weights/safetensors.ts';
import { describeOnAdapters } from '../adapters.ts';
import { goldenPath } from '../read-golden.ts';
import { type HostWeights, interpretDecoder, openGolden } from './golden.ts';

/** Lines of the table that each golden must give, so that a stage cannot drop out unseen. */
const GOLDENS = {
  llava15: 17,
  llava_linear: 17,
  paligemma: 29,
  paligemma2: 29,
  gemma3: 20,
  gemma3_scan: 13,
  llama3_text: 25,
  qwen2_text: 25,
  gemma_text: 25,
  gemma2_text: 12,
  gemma3_text: 14,
  clip: 15,
  siglip: 15,
  siglip2: 15,
  qwen2_vl: 32,
  qwen2_5_vl: 34,
  qwen3_vl: 35,
  smolvlm: 27,
  smolvlm_video: 9,
  idefics3: 9,
  llava_onevision: 27,
  llava_onevision_clip: 26,
  llava_next: 17,
  llava_next_video: 17,
} as const;

async function verify(name: string, options: Parameters<typeof verifyCheckpoint>[1]): Promise<StageResult[]> {
  const files = await folderFiles(fileURLToPath(goldenPath(name)));
  const results: StageResult[] = [];
  for await (const result of verifyCheckpoint(files, options)) results.push(result);
  return results;
}

describeOnAdapters('goldens', (getDevice) => {
  for (const dtype of ['f32', 'f16'] as const) {
    test.for(Object.entries(GOLDENS))(`%s in ${dtype}`, async ([name, stages], { skip }) => {
      const device = getDevice();
      if (dtype === 'f16' && !device.caps.features.shaderF16)
        skip(`${device.caps.adapterName} has no shader-f16`);
      const liveBytes = device.memory.liveBytes;
      const results = await verify(name, { device, dtype });
      expect(results.filter(({ ok }) => !ok)).toEqual([]);
      expect(results).toHaveLength(stages);
      expect(device.memory.liveBytes).toBe(liveBytes);
    });
  }

  test('in q4 an answer that differs is told, and is no fault', async () => {
    const results = await verify('llama3_text', { device: getDevice(), dtype: 'q4', tolerance: 10 });
    const answers = results.filter(({ stage }) => stage.startsWith('generated.ids'));
    expect(results.filter(({ ok }) => !ok)).toEqual([]);
    expect(answers.length).toBeGreaterThan(0);
    expect(
      answers.some(({ tokens, note }) => tokens?.firstDivergence !== null && note === 'may differ in q4'),
    ).toBe(true);
    const strict = await verify('llama3_text', { device: getDevice(), dtype: 'q8' });
    expect(strict.find(({ stage }) => stage === 'logits')).toMatchObject({ tolerance: 0.1 });
  });

  test('llava_linear in f16 agrees with f64 on its rounded weights', async ({ skip }) => {
    const device = getDevice();
    if (!device.caps.features.shaderF16) skip(`${device.caps.adapterName} has no shader-f16`);
    const golden = await openGolden('llava_linear');
    const { files, assets, model, reference, weights, index, root, close } = golden;
    const precision: Precision = { weights: 'f16', activations: 'f32', kvCache: 'f32' };
    const store = createWeightStore(device, index);
    try {
      const run = reference.runs[0] as ReferenceRun;
      const { prompt } = await makePrompt(assets, files, run, '');
      const ids = prompt.tokenIds;
      const runtime = { device, model, weightScope: root, weights: store, precision };
      const captured = await captureDecoder(runtime, reference, run, prompt, ['logits']);
      const actual = captured.get('logits') ?? [];
      const features = await reference.floats(run, 'projector.output');
      const { named } = interpretDecoder({
        model,
        root,
        precision,
        weights: asStored(weights, index),
        ids,
        features,
      });
      const where = { run: run.name, stage: 'logits', shape: [] };
      expect(compareValues(where, actual, named.get('logits') ?? [], 1e-4)).toMatchObject({ ok: true });
    } finally {
      store.dispose();
      await close();
    }
  });
});

/** Matrices rounded to f16, vectors as they are. */
function asStored(weights: HostWeights, index: TensorIndex): HostWeights {
  const round = (value: number): number => float16ToFloat32(float32ToFloat16(value));
  const stored = Object.entries(weights).map(([name, values]) => [
    name,
    (index.get(name)?.shape.length ?? 0) > 1 ? values.map(round) : values,
  ]);
  return Object.fromEntries(stored);
}

test('a checkpoint without a reference says so', async () => {
  const files = await folderFiles('models/demo');
  await expect(verifyCheckpoint(files).next()).rejects.toThrow('has no reference.json');
});
