import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Device } from '../../src/device/gpu-device.ts';
import { removeFolder, removeUnfinished, replaceFile, writeFolder } from '../../src/train/atomic-folder.ts';
import {
  listCheckpoints,
  readTrainerSettings,
  restoreCheckpoint,
  saveCheckpoint,
} from '../../src/train/checkpoint.ts';
import { createTrainer, type Trainer, type TrainerOptions } from '../../src/train/trainer.ts';
import { openCheckpoint } from '../../src/weights/checkpoint.ts';
import { folderFiles } from '../../src/weights/checkpoint-folder.ts';
import { readTensor } from '../../src/weights/read-tensor.ts';
import { describeOnAdapters } from '../adapters.ts';
import { CLASSIFIER_WEIGHTS, classifier, points, SIZES } from './classifier.ts';

let root = '';
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'tessera-checkpoint-'));
});
afterEach(() => rm(root, { recursive: true, force: true }));

describe('a folder that is there whole or not at all', () => {
  test('takes the place of one that was there', async () => {
    const path = join(root, 'a');
    await writeFolder(
      path,
      new Map([
        ['one.txt', '1'],
        ['gone.txt', 'x'],
      ]),
    );
    await writeFolder(
      path,
      new Map<string, string | Uint8Array>([
        ['one.txt', '2'],
        ['two.bin', Uint8Array.of(7)],
      ]),
    );
    expect((await readdir(path)).toSorted()).toEqual(['one.txt', 'two.bin']);
    expect(await readFile(join(path, 'one.txt'), 'utf8')).toBe('2');
    expect(await readdir(root)).toEqual(['a']);
    await removeFolder(path);
    await removeFolder(path);
    expect(await readdir(root)).toEqual([]);
  });

  test('leaves what can be told from it where it fails', async () => {
    const path = join(root, 'a');
    const broken = new Map([
      ['one.txt', '1'],
      ['no/such/folder.txt', '2'],
    ]);
    await expect(writeFolder(path, broken)).rejects.toThrow('ENOENT');
    const left = await readdir(root);
    expect(left).toHaveLength(1);
    expect(left[0]).toMatch(/^\.unfinished-a-/);
    await removeUnfinished(root);
    expect(await readdir(root)).toEqual([]);
  });

  test('so does a file', async () => {
    const path = join(root, 'metrics.jsonl');
    await replaceFile(path, 'one');
    await replaceFile(path, 'two');
    expect(await readFile(path, 'utf8')).toBe('two');
    expect(await readdir(root)).toEqual(['metrics.jsonl']);
  });
});

test('only whole checkpoints are listed, the newest first; of no folder there are none', async () => {
  for (const name of ['checkpoint-000002', 'checkpoint-000010', '.unfinished-checkpoint-000012-x', 'other'])
    await mkdir(join(root, name));
  expect((await listCheckpoints(root)).map(({ step }) => step)).toEqual([10, 2]);
  expect(await listCheckpoints(join(root, 'nowhere'))).toEqual([]);
});

test('a folder without trainer.json, or with another, is refused in words', async () => {
  await expect(readTrainerSettings(root)).rejects.toThrow('has no trainer.json');
  await writeFile(join(root, 'trainer.json'), '{"format": 9, "step": 1}');
  await expect(readTrainerSettings(root)).rejects.toThrow('has format 9 and step 1; expected format 1');
  await writeFile(join(root, 'trainer.json'), '{"format": 1, "step": -1}');
  await expect(readTrainerSettings(root)).rejects.toThrow('step -1');
});

const ADAMW = { optimizer: { kind: 'adamw' } } as const;

async function withTrainer<T>(
  device: Device,
  options: TrainerOptions,
  use: (trainer: Trainer) => Promise<T>,
): Promise<T> {
  const trainer = await createTrainer(device, classifier, CLASSIFIER_WEIGHTS, options);
  try {
    return await use(trainer);
  } finally {
    trainer.dispose();
  }
}

const save = (trainer: Trainer, step: number, keep = 3): Promise<string> =>
  saveCheckpoint(
    root,
    {
      step,
      trainer,
      index: CLASSIFIER_WEIGHTS,
      files: { 'config.json': { model_type: 'x' } },
      settings: { seed: 4 },
    },
    keep,
  );

/** Names, types and values of a checkpoint's model.safetensors. */
async function tensorsOf(path: string) {
  const checkpoint = await openCheckpoint(await folderFiles(path));
  const tensors = new Map<string, { dtype: string; values: Float32Array }>();
  for (const [name, entry] of checkpoint.index)
    tensors.set(name, { dtype: entry.dtype, values: Float32Array.from(await readTensor(entry, 'f32')) });
  await checkpoint.close();
  return tensors;
}

describeOnAdapters('checkpoints', (getDevice) => {
  test('hold the model as any folder does, and the settings', async () => {
    await withTrainer(getDevice(), ADAMW, async (trainer) => {
      await trainer.step([points(1)], 0.01);
      const path = await save(trainer, 1);
      expect((await readdir(path)).toSorted()).toEqual([
        'config.json',
        'model.safetensors',
        'trainer.json',
        'trainer.safetensors',
      ]);
      expect(await readTrainerSettings(path)).toEqual({ step: 1, settings: { seed: 4 } });
      const states = await trainer.readStates(
        [...trainer.trainables.keys()].map((name) => `parameter.${name}`),
      );
      const tensors = await tensorsOf(path);
      expect([...tensors.keys()].toSorted()).toEqual([...CLASSIFIER_WEIGHTS.keys()].toSorted());
      for (const [name, { dtype, values }] of tensors) {
        expect(dtype).toBe('F32');
        expect(values).toEqual(states.get(`parameter.${name}`));
      }
    });
  });

  test('are of the moment they were asked for, though further steps are submitted meanwhile', async () => {
    await withTrainer(getDevice(), ADAMW, async (trainer) => {
      await trainer.step([points(1)], 0.01);
      const saving = save(trainer, 1);
      const later = trainer.step([points(2)], 0.5);
      const first = await tensorsOf(await saving);
      await later;
      const second = await tensorsOf(await save(trainer, 2));
      expect(second.get('first.weight')).not.toEqual(first.get('first.weight'));
      // A rate of 0.5 moves each weight by about that much.
      const moved = (second.get('first.bias')?.values[0] ?? 0) - (first.get('first.bias')?.values[0] ?? 0);
      expect(Math.abs(moved)).toBeGreaterThan(0.1);
      expect(Math.abs(first.get('first.bias')?.values[0] ?? 1)).toBeLessThan(0.02);
    });
  });

  test('restore every state, so that the next steps are the same to the last bit', async () => {
    const path = await withTrainer(getDevice(), { ...ADAMW, clipNorm: 1 }, async (trainer) => {
      for (let step = 0; step < 3; step++) await trainer.step([points(step)], 0.01);
      return save(trainer, 3);
    });
    const next = (trainer: Trainer) =>
      Promise.all([3, 4, 5].map(async (step) => (await trainer.step([points(step)], 0.01)).loss));
    const whole = await withTrainer(getDevice(), { ...ADAMW, clipNorm: 1 }, async (trainer) => {
      for (let step = 0; step < 3; step++) await trainer.step([points(step)], 0.01);
      return next(trainer);
    });
    const resumed = await withTrainer(getDevice(), { ...ADAMW, clipNorm: 1 }, async (trainer) => {
      await restoreCheckpoint(path, trainer);
      return next(trainer);
    });
    expect(resumed).toEqual(whole);
  });

  test('keep the newest, and refuse another optimizer', async () => {
    await withTrainer(getDevice(), ADAMW, async (trainer) => {
      for (const step of [1, 2, 3, 4]) await save(trainer, step, 2);
    });
    const kept = await listCheckpoints(root);
    expect(kept.map(({ step }) => step)).toEqual([4, 3]);
    await withTrainer(getDevice(), { optimizer: { kind: 'sgd', momentum: 0.9 } }, async (trainer) => {
      await expect(restoreCheckpoint(kept[0]?.path ?? '', trainer)).rejects.toThrow(
        'holds no state "velocity.',
      );
    });
  });

  test('hold adapted weights with their adapters added, and the adapters beside', async () => {
    const lora = { weights: /^first\.weight$/, rank: 2, alpha: 3 };
    await withTrainer(getDevice(), { ...ADAMW, lora }, async (trainer) => {
      for (let step = 0; step < 4; step++) await trainer.step([points(1)], 0.05);
      const path = await save(trainer, 4);
      const [a, b] = ['A', 'B'].map((side) => `parameter.first.weight.lora_${side}`);
      const states = await trainer.readStates([a ?? '', b ?? '']);
      const tensors = await tensorsOf(path);
      const entry = CLASSIFIER_WEIGHTS.get('first.weight');
      const base = entry ? await readTensor(entry, 'f32') : new Float32Array();
      const K = SIZES.inputs;
      const expected = Array.from(base, (value, i) => {
        const [row, column] = [Math.floor(i / K), i % K];
        const product = [0, 1].reduce(
          (sum, r) =>
            sum + (states.get(b ?? '')?.[row * 2 + r] ?? 0) * (states.get(a ?? '')?.[r * K + column] ?? 0),
          0,
        );
        return Math.fround(value + 1.5 * product);
      });
      const merged = tensors.get('first.weight')?.values ?? new Float32Array();
      expect([...merged]).toEqual(expected);
      expect(merged).not.toEqual(base);
      // Frozen ones are what they were.
      const bias = CLASSIFIER_WEIGHTS.get('second.weight');
      expect(tensors.get('second.weight')?.values).toEqual(bias && (await readTensor(bias, 'f32')));
      const loss = (await trainer.step([points(1)], 0)).loss;
      await withTrainer(getDevice(), { ...ADAMW, lora, seed: 9 }, async (other) => {
        await restoreCheckpoint(path, other);
        expect((await other.step([points(1)], 0)).loss).toBe(loss);
      });
    });
  });
});
