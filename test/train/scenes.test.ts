import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { AbortError, InputError } from '../../src/core/errors.ts';
import { loadContrastiveModel } from '../../src/embed/load-contrastive-model.ts';
import { parseImageProcessor } from '../../src/image/image-processor.ts';
import { preprocess } from '../../src/image/preprocess.ts';
import { createDualEncoder } from '../../src/models/registry.ts';
import { createTokenizer } from '../../src/text/tokenizer.ts';
import { createRandom } from '../../src/train/random.ts';
import { drawScene, PICTURE_SIZE } from '../../src/train/scenes/draw.ts';
import { evaluateScenes } from '../../src/train/scenes/evaluate.ts';
import { MAX_TOKENS, SCENE_MODEL, sceneModelFiles, VOCABULARY } from '../../src/train/scenes/files.ts';
import {
  COLOURS,
  captionOf,
  HELD_OUT_SCENES,
  nameOf,
  SCENES,
  type Scene,
  SHAPES,
  TEMPLATES,
  TRAINED_SCENES,
} from '../../src/train/scenes/scene.ts';
import { SCENE_SETTINGS } from '../../src/train/scenes/settings.ts';
import { type SceneMemory, trainScenes } from '../../src/train/scenes/train-scenes.ts';
import { createSceneBatches } from '../../src/train/scenes/training.ts';
import { describeOnAdapters } from '../adapters.ts';

const RED_RING: Scene = { size: 'large', texture: 'plain', colour: 'red', shape: 'ring' };

describe('compositions', () => {
  test('are 384, a quarter of them held out: two shapes of each colour, two colours of each shape', () => {
    expect(new Set(SCENES.map(nameOf)).size).toBe(384);
    expect(HELD_OUT_SCENES).toHaveLength(96);
    expect(TRAINED_SCENES).toHaveLength(288);
    for (const colour of COLOURS) {
      const shapes = new Set(HELD_OUT_SCENES.filter((s) => s.colour === colour).map(({ shape }) => shape));
      expect(shapes.size).toBe(2);
      const seen = new Set(TRAINED_SCENES.filter((s) => s.colour === colour).map(({ shape }) => shape));
      expect(new Set([...seen, ...shapes]).size).toBe(8);
      expect(seen.size).toBe(6);
    }
    for (const shape of SHAPES)
      expect(new Set(HELD_OUT_SCENES.filter((s) => s.shape === shape).map(({ colour }) => colour)).size).toBe(
        2,
      );
  });

  test('have captions of known words', () => {
    expect(captionOf(RED_RING, 'a picture of a {}')).toBe('a picture of a large red ring');
    expect(nameOf({ size: 'small', texture: 'dotted', colour: 'white', shape: 'star' })).toBe(
      'small dotted white star',
    );
    const files = sceneModelFiles(SCENE_MODEL);
    const tokenizer = createTokenizer(files['tokenizer.json'], files['tokenizer_config.json']);
    const captions = SCENES.flatMap((scene) => TEMPLATES.map((template) => captionOf(scene, template)));
    for (const caption of captions) {
      const ids = tokenizer.encode(caption, { addSpecialTokens: true });
      expect(ids).toHaveLength(caption.split(' ').length + 2);
      expect(ids.length).toBeLessThanOrEqual(MAX_TOKENS);
      expect(ids.includes(0)).toBe(false);
      expect(
        ids
          .map((id) => VOCABULARY[id])
          .slice(1, -1)
          .join(' '),
      ).toBe(caption);
      expect(tokenizer.decode(ids, { skipSpecialTokens: true })).toBe(caption);
    }
    expect(tokenizer.encode('a Large green elephant', { addSpecialTokens: true })).toEqual(
      ['<|startoftext|>', 'a', 'large', 'green', '[UNK]', '<|endoftext|>'].map((word) =>
        VOCABULARY.indexOf(word),
      ),
    );
  });
});

describe('pictures', () => {
  test('of all scenes are the same on every machine', () => {
    const hash = createHash('sha256');
    SCENES.forEach((scene, i) => {
      hash.update(drawScene(scene, createRandom(1, 2, i)).data);
    });
    expect(hash.digest('hex').slice(0, 16)).toMatchInlineSnapshot(`"bdfe6c4896bb70b2"`);
  });

  test('show the colour inside of the shape and not outside', () => {
    const { data, width, height } = drawScene(RED_RING, createRandom(1, 2, 3));
    expect([width, height]).toEqual([PICTURE_SIZE, PICTURE_SIZE]);
    const red = Array.from(
      { length: width * height },
      (_, i) => (data[3 * i] ?? 0) > 180 && (data[3 * i + 1] ?? 0) < 90,
    );
    const share = red.filter(Boolean).length / red.length;
    // A ring of radius 11.5 to 13.5 and a hole of 0.3 of its area, less its soft edge.
    expect(share).toBeGreaterThan((0.6 * (Math.PI * 11.5 ** 2 * 0.7)) / red.length);
    expect(share).toBeLessThan((Math.PI * 13.5 ** 2 * 0.7) / red.length);
  });

  test('reach the model as its image processor would make them', () => {
    const files = sceneModelFiles(SCENE_MODEL);
    const model = createDualEncoder(files['config.json'], 'test');
    const batches = createSceneBatches(model, files, { batchSize: 4, seed: 3 });
    const { pixelValues, ids, pooledRows } = batches.batch(5);
    expect(pixelValues).toHaveLength(4 * 3 * PICTURE_SIZE ** 2);
    expect(batches.batch(5)).toEqual({ pixelValues, ids, pooledRows });
    expect(batches.batch(6).pixelValues).not.toEqual(pixelValues);
    expect(createSceneBatches(model, files, { batchSize: 4, seed: 4 }).batch(5).ids).not.toEqual(ids);
    const processor = parseImageProcessor(files['preprocessor_config.json']);
    const picture = drawScene(RED_RING, createRandom(1, 2, 3));
    const processed = preprocess(picture, processor).pixelValues;
    const plane = PICTURE_SIZE ** 2;
    const expected = Array.from(
      processed,
      (_, i) => (picture.data[3 * (i % plane) + Math.floor(i / plane)] ?? 0) / 127.5 - 1,
    );
    expect(
      Math.max(...expected.map((value, i) => Math.abs(value - (processed[i] ?? Number.NaN)))),
    ).toBeLessThan(1e-6);
  });

  test('of a batch are of different compositions, and their captions end where the model looks', () => {
    const files = sceneModelFiles(SCENE_MODEL);
    const model = createDualEncoder(files['config.json'], 'test');
    const { batch, seq } = createSceneBatches(model, files, { batchSize: 288, seed: 0 });
    const { ids, pooledRows } = batch(0) as Record<string, Uint32Array>;
    const captions = Array.from({ length: 288 }, (_, i) => {
      const row = [...(ids?.slice(i * seq, (i + 1) * seq) ?? [])].map((id) => VOCABULARY[id]);
      expect(row[(pooledRows?.[i] ?? -1) - i * seq]).toBe('<|endoftext|>');
      return row.slice(1, row.indexOf('<|endoftext|>')).join(' ');
    });
    const names = captions.map((caption) =>
      TRAINED_SCENES.find((scene) => caption.endsWith(` ${nameOf(scene)}`)),
    );
    expect(new Set(names.map((scene) => scene && nameOf(scene))).size).toBe(288);
  });
});

test('accuracy counts the pictures whose own class came first', async () => {
  let calls = 0;
  const accuracy = await evaluateScenes(
    {
      classify: async (pictures, labels) => {
        calls++;
        // Right for the first half of the classes.
        return pictures.map((_, i) => [{ label: labels[i < pictures.length / 2 ? i : 0] ?? '' }]);
      },
    },
    { seed: 0, rounds: 1 },
  );
  expect(calls).toBe(3);
  expect(accuracy.heldOut).toBe(0.5);
  expect(accuracy.heldOutAmongAll).toBeLessThan(0.1);
});

const TINY = {
  visionWidth: 16,
  visionLayers: 1,
  textWidth: 16,
  textLayers: 1,
  heads: 2,
  patchSize: 16,
  embeddingSize: 8,
};

describeOnAdapters('a CLIP trained on scenes', (getDevice) => {
  let root = '';
  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), 'tessera-scenes-'));
  });
  afterAll(() => rm(root, { recursive: true, force: true }));
  const settings = { ...SCENE_SETTINGS, steps: 12, batchSize: 8, warmup: 2, checkpointEvery: 5, seed: 1 };
  const folderOf = (name: string): string => join(root, name);

  test('is a folder that embeds and classifies, and goes on after an interruption as if there was none', async () => {
    const device = getDevice();
    const abort = new AbortController();
    const losses: number[] = [];
    const memory: SceneMemory[] = [];
    const whole = await trainScenes({
      device,
      folder: folderOf('whole'),
      settings,
      sizes: TINY,
      rounds: 1,
      onStart: (_settings, _step, planned) => memory.push(planned),
      onStep: (_step, { loss }) => losses.push(loss),
    });
    expect(memory[0]?.recomputed.activations).toBeLessThan(memory[0]?.kept.activations ?? 0);
    expect(memory[0]?.recomputed.states).toBe(memory[0]?.kept.states);
    expect(losses).toHaveLength(12);
    expect(losses[0]).toBeGreaterThan(1.5);
    expect(losses.every(Number.isFinite)).toBe(true);
    expect(whole.path).toBe(join(folderOf('whole'), 'checkpoint-000012'));
    expect(whole.accuracy.heldOut).toBeGreaterThanOrEqual(0);
    expect((await readdir(folderOf('whole'))).toSorted()).toEqual([
      'checkpoint-000005',
      'checkpoint-000010',
      'checkpoint-000012',
      'metrics.jsonl',
      'report.html',
    ]);
    expect(await readFile(join(folderOf('whole'), 'report.html'), 'utf8')).not.toContain('refresh');

    const model = await loadContrastiveModel(whole.path, { device });
    try {
      expect(model.unusedTensors).toEqual([]);
      const scores = await model.classify(drawScene(RED_RING, createRandom(0, 0, 0)), [
        'red ring',
        'blue star',
      ]);
      expect(scores.reduce((sum, { probability }) => sum + probability, 0)).toBeCloseTo(1, 5);
    } finally {
      model.dispose();
    }

    const resumed: number[] = [];
    const first = trainScenes({
      device,
      folder: folderOf('stopped'),
      settings,
      sizes: TINY,
      signal: abort.signal,
      onStep: (step, { loss }) => {
        resumed[step - 1] = loss;
        if (step === 6) abort.abort();
      },
    });
    await expect(first).rejects.toThrow(AbortError);
    const second = await trainScenes({
      device,
      folder: folderOf('stopped'),
      settings: undefined,
      rounds: 1,
      onStep: (step, { loss }) => {
        resumed[step - 1] = loss;
      },
    });
    expect(second.settings).toEqual(settings);
    expect(resumed).toEqual(losses);
    expect(second.accuracy).toEqual(whole.accuracy);
    const metrics = await Promise.all(
      ['whole', 'stopped'].map((name) => readFile(join(folderOf(name), 'metrics.jsonl'), 'utf8')),
    );
    expect(metrics[1]).toBe(metrics[0]);
  });

  test('is not begun anew over another, nor resumed from nothing', async () => {
    const device = getDevice();
    const again = trainScenes({ device, folder: folderOf('whole'), settings, sizes: TINY });
    await expect(again).rejects.toThrow(InputError);
    await expect(again).rejects.toThrow('holds checkpoints up to step 12 already');
    const nothing = trainScenes({ device, folder: folderOf('empty'), settings: undefined });
    await expect(nothing).rejects.toThrow('holds no checkpoint');
  });
});
