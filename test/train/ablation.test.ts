import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { sweep as exampleSweep } from '../../examples/sweep.ts';
import { AbortError, ConfigError } from '../../src/core/errors.ts';
import { type ArchitectureLabels, labelsOf } from '../../src/train/ablation/architecture.ts';
import { costOf } from '../../src/train/ablation/cost.ts';
import { MOTION_SETTINGS, motionSweep } from '../../src/train/ablation/motion-example.ts';
import { openVlm } from '../../src/train/ablation/open-vlm.ts';
import { PROJECTOR_SETTINGS, projectorSweep } from '../../src/train/ablation/projector-example.ts';
import { readResults } from '../../src/train/ablation/results.ts';
import { runSweep } from '../../src/train/ablation/run-sweep.ts';
import {
  checkSweepConfig,
  differingLabels,
  pointsOf,
  type SweepConfig,
} from '../../src/train/ablation/sweep-config.ts';
import { sweepTable } from '../../src/train/ablation/sweep-table.ts';
import { createTask } from '../../src/train/ablation/task.ts';
import { teachDecoder } from '../../src/train/ablation/teach-decoder.ts';
import { decodeAnswer, encodeAnswer, endOf, WORDS } from '../../src/train/ablation/words.ts';
import { openCheckpoint } from '../../src/weights/checkpoint.ts';
import { folderFiles } from '../../src/weights/checkpoint-folder.ts';
import { describeOnAdapters } from '../adapters.ts';
import { goldenPath } from '../read-golden.ts';

const TINY: SweepConfig = {
  title: 'tiny',
  task: { kind: 'scenes' },
  seed: 3,
  steps: 2,
  batchSize: 32,
  learningRate: 1e-3,
  encoders: [{ width: 8, layers: 1, heads: 2, patchSize: 16 }],
  projectors: [{ kind: 'mlp', tokens: 1 }],
  decoders: [{ width: 8, layers: 1, heads: 2 }],
};

describe('the words', () => {
  test('are there once each, and an answer ends where it says', () => {
    expect(new Set(WORDS).size).toBe(WORDS.length);
    const ids = encodeAnswer('small red circle', 6);
    expect(ids).toHaveLength(6);
    expect(endOf(ids)).toBe(4);
    expect(decodeAnswer(ids.slice(1))).toBe('small red circle');
    expect(() => encodeAnswer('small purple elephant', 6)).toThrow('"elephant" is no word');
  });
});

describe('the motion task', () => {
  const task = createTask({ kind: 'motion', frames: 8 }, 0);

  test('moves a shape by a quarter of the frame, the way that the answer says', () => {
    expect(task.evaluation).toHaveLength(256);
    let moved = 0;
    for (const { pixelValues, answer } of task.evaluation) {
      expect(pixelValues).toHaveLength(8 * 3 * 24 ** 2);
      const [first, last] = [0, 7].map((frame) => centre(pixelValues, frame));
      const [x, y] = [(last?.[0] ?? 0) - (first?.[0] ?? 0), (last?.[1] ?? 0) - (first?.[1] ?? 0)];
      const seen = Math.abs(x) > Math.abs(y) ? (x < 0 ? 'left' : 'right') : y < 0 ? 'up' : 'down';
      expect(answer.split(' ').at(-1)).toBe(seen);
      moved += Math.max(Math.abs(x), Math.abs(y)) / 256;
    }
    // Six pixels, but for shapes that the frame's edge cuts.
    expect(moved).toBeGreaterThan(4.5);
    expect(moved).toBeLessThan(6.2);
  });

  test('repeats, shows every colour and way once in a full batch, and counts the way alone', () => {
    const [batch, again] = [task, createTask({ kind: 'motion', frames: 8 }, 0)].map((one) =>
      one.batch(4, 32),
    );
    expect(batch?.map(({ answer }) => answer)).toEqual(again?.map(({ answer }) => answer));
    expect(batch?.every(({ pixelValues }, i) => isEqual(pixelValues, again?.[i]?.pixelValues))).toBe(true);
    expect(isEqual(batch?.[0]?.pixelValues, task.batch(5, 32)[0]?.pixelValues)).toBe(false);
    expect(new Set(batch?.map(({ answer }) => answer)).size).toBe(32);
    expect(task.isRight('red moves left', 'blue moves left')).toBe(true);
    expect(task.isRight('red moves left', 'red moves right')).toBe(false);
    expect(task.chance).toBe(0.25);
    expect(() => createTask({ kind: 'motion', frames: 1 }, 0)).toThrow(ConfigError);
  });
});

const isEqual = (a: Float32Array | undefined, b: Float32Array | undefined): boolean =>
  a !== undefined && b !== undefined && Buffer.from(a.buffer).equals(Buffer.from(b.buffer));

/** Mean place of the pixels that stand out of the grey ground. */
function centre(pixelValues: Float32Array, frame: number): readonly [x: number, y: number] {
  let [x, y, count] = [0, 0, 0];
  for (let pixel = 0; pixel < 24 ** 2; pixel++) {
    const values = [0, 1, 2].map((channel) => pixelValues[(frame * 3 + channel) * 24 ** 2 + pixel] ?? 0);
    if (Math.max(...values.map(Math.abs)) < 0.3) continue;
    x += pixel % 24;
    y += Math.floor(pixel / 24);
    count++;
  }
  return [x / count, y / count];
}

describe('the cost of an architecture', () => {
  const task = createTask({ kind: 'motion', frames: 8 }, 0);
  const costWith = async (projector: SweepConfig['projectors'][0], pooling: 'none' | 'mean:4') => {
    const { vlm, trainable } = await openVlm(
      {
        encoder: { width: 16, layers: 2, heads: 2, patchSize: 12 },
        projector,
        pooling: pooling === 'none' ? 'none' : { kind: 'mean', window: 4 },
        decoder: { width: 32, layers: 1, heads: 2 },
        loss: 'next-token',
      },
      task,
    );
    return costOf(vlm, task, { batchSize: 4, trainable });
  };

  test('counts parameters and tokens as they are, and arithmetic by them', async () => {
    const cost = await costWith({ kind: 'mlp' }, 'none');
    const layer = 4 * (16 * 16 + 16) + (2 * 16 * 32 + 32 + 16) + 4 * 16;
    const encoder = 16 * 3 * 12 ** 2 + 16 + 5 * 16 + 2 * 16 + 2 * layer;
    const projector = 16 * 32 + 32 + 32 * 32 + 32;
    const decoder = WORDS.length * 32 + 4 * 32 * 32 + 3 * 32 * 64 + 3 * 32;
    expect(cost.parameters).toEqual({
      ...{ encoder, projector, decoder },
      total: encoder + projector + decoder,
      trained: encoder + projector + decoder,
    });
    expect(cost.tokens).toEqual({ perFrame: 4, perClip: 32 });
    expect(cost.memory.weights).toBe(4 * cost.parameters.total);
    // Two for each weight and token: 32 of the clip and 4 of the answer, whose table is read for those alone.
    const products = 2 * (36 * (4 * 32 * 32 + 3 * 32 * 64) + 4 * 32 * WORDS.length);
    expect(cost.flops.decoder / products).toBeGreaterThan(1);
    expect(cost.flops.decoder / products).toBeLessThan(1.4);
    expect(cost.flops.total).toBe(cost.flops.vision + cost.flops.pooling + cost.flops.decoder);
    expect(cost.memory.trainingStates).toBeGreaterThan(3 * cost.memory.weights);
  });

  test('falls with the frames that pooling leaves, and with the tokens of a frame', async () => {
    const [whole, pooled, fewer] = await Promise.all([
      costWith({ kind: 'mlp' }, 'none'),
      costWith({ kind: 'mlp' }, 'mean:4'),
      costWith({ kind: 'c-abstractor', tokens: 1 }, 'none'),
    ]);
    expect([whole, pooled, fewer].map(({ tokens }) => tokens.perClip)).toEqual([32, 8, 8]);
    expect(pooled.flops.vision).toBe(whole.flops.vision);
    expect(pooled.flops.decoder).toBeLessThan(0.5 * whole.flops.decoder);
    expect(pooled.flops.pooling).toBeGreaterThan(0);
    expect(pooled.memory.trainingActivations).toBeLessThan(whole.memory.trainingActivations);
    expect(pooled.parameters).toEqual(whole.parameters);
  });
});

describe('a grid', () => {
  test('has a point for each choice, named by what differs', () => {
    const config: SweepConfig = { ...TINY, projectors: [{ kind: 'linear' }, { kind: 'mlp', tokens: 4 }] };
    const points = pointsOf({ ...config, losses: ['next-token', 'sigmoid'] });
    expect(differingLabels(points)).toEqual([
      'linear, next-token',
      'linear, sigmoid',
      'mlp 4, next-token',
      'mlp 4, sigmoid',
    ]);
    expect(new Set(points.map(({ key }) => key)).size).toBe(4);
    expect(pointsOf(config)[0]?.key).toBe(points[0]?.key);
    expect(pointsOf({ ...config, seed: 4 })[0]?.key).not.toBe(points[0]?.key);
    expect(() => pointsOf({ ...config, encoders: [] })).toThrow('has no points');
    expect(() => pointsOf({ ...config, losses: ['sigmoid', 'sigmoid'] })).toThrow('has a choice twice');
  });

  test('of the examples compares like with like', () => {
    const projector = projectorSweep({ encoder: '/a/clip', decoder: '/a/llama' }, PROJECTOR_SETTINGS);
    expect(differingLabels(pointsOf(projector))).toEqual(
      [16, 4].flatMap((tokens) => ['linear', 'mlp', 'c-abstractor'].map((kind) => `${kind} ${tokens}`)),
    );
    const labels: ArchitectureLabels[] = pointsOf(projector).map(({ architecture }) =>
      labelsOf(architecture),
    );
    expect(labels[0]?.encoder).toBe('clip (frozen)');
    const motion = differingLabels(pointsOf(motionSweep(MOTION_SETTINGS)));
    expect(motion).toContain('none');
    expect(motion).toContain('mean:8');
    expect(pointsOf(exampleSweep)).toHaveLength(9);
  });

  test('is checked when it comes from a file', () => {
    expect(checkSweepConfig(TINY, 'file')).toBe(TINY);
    expect(() => checkSweepConfig(undefined, 'a.ts')).toThrow('a.ts: exports no object `sweep`');
    expect(() => checkSweepConfig({ ...TINY, steps: 0 }, 'a.ts')).toThrow('steps is 0; expected a count');
    expect(() => checkSweepConfig({ ...TINY, task: { kind: 'chess' } }, 'a.ts')).toThrow('task is chess');
    expect(() => checkSweepConfig({ ...TINY, decoders: {} }, 'a.ts')).toThrow('decoders is no list');
  });
});

describeOnAdapters('a sweep', (getDevice) => {
  let folder = '';
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tessera-sweep-'));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  test('trains each point once, also where it was stopped and a line was cut off', async () => {
    const config: SweepConfig = { ...TINY, losses: ['next-token', 'info-nce', 'sigmoid'] };
    const device = getDevice();
    const abort = new AbortController();
    const first = runSweep({
      ...{ device, config, folder, signal: abort.signal },
      onResult: () => abort.abort(),
    });
    await expect(first).rejects.toThrow(AbortError);
    const path = join(folder, 'results.jsonl');
    const [finished] = (await readResults(path)).values();
    expect(finished?.labels.loss).toBe('next-token');
    await writeFile(path, `${await readFile(path, 'utf8')}{"key":"cut o`);

    const trained: string[] = [];
    const results = await runSweep({
      ...{ device, config, folder },
      onStep: ({ architecture }, step) => trained.push(`${architecture.loss} ${step}`),
    });
    expect(trained).toEqual(['info-nce 1', 'info-nce 2', 'sigmoid 1', 'sigmoid 2']);
    expect(results).toHaveLength(3);
    expect(results[0]).toEqual(finished);
    // ln V for words that are not known yet, and ln N for pairs that are not.
    expect(results[0]?.curve[0]?.value).toBeGreaterThan(0.7 * Math.log(WORDS.length));
    expect(results[1]?.curve[0]?.value).toBeGreaterThan(0.7 * Math.log(32));
    for (const { accuracy, loss } of results) {
      expect(accuracy).toBeLessThan(0.2);
      expect(loss).toBeGreaterThan(0);
    }
    expect(sweepTable(results).map(([name]) => name)).toEqual(['point', 'next-token', 'info-nce', 'sigmoid']);
    expect((await readResults(path)).size).toBe(3);
    const page = await readFile(join(folder, 'report.html'), 'utf8');
    expect(page).not.toMatch(/<script|src=|href=|refresh/);
    expect(page.match(/<svg /g)).toHaveLength(3);
    expect(page).toContain('<td>sigmoid</td>');
  });

  test('leaves frozen parts as they are, and keeps what it trained', async () => {
    const device = getDevice();
    const decoder = join(folder, 'decoder');
    const losses: number[] = [];
    await teachDecoder({
      ...{ device, folder: decoder, sizes: { width: 16, layers: 1, heads: 2 } },
      settings: { seed: 0, steps: 8, batchSize: 32, learningRate: 2e-2 },
      onStep: (_step, all) => losses.push(all.at(-1) ?? Number.NaN),
    });
    expect(losses[7]).toBeLessThan(0.9 * (losses[0] ?? 0));

    const config: SweepConfig = {
      ...TINY,
      encoders: [{ checkpoint: fileURLToPath(goldenPath('clip')) }],
      projectors: [{ kind: 'mlp', tokens: 4 }],
      decoders: [{ checkpoint: decoder }],
    };
    const [result] = await runSweep({ device, config, folder });
    expect(result?.labels.decoder).toBe('decoder (frozen)');
    expect(result?.cost.parameters.trained).toBe(result?.cost.parameters.projector);
    const point = (await readdir(folder)).find((name) => name === `point-${result?.key}`);
    const { index, close } = await openCheckpoint(await folderFiles(join(folder, point ?? '')));
    expect([...index.keys()].toSorted()).toEqual(
      [1, 2].flatMap((layer) =>
        ['bias', 'weight'].map((part) => `multi_modal_projector.linear_${layer}.${part}`),
      ),
    );
    await close();
  });
});
