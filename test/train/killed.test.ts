import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { listCheckpoints } from '../../src/train/checkpoint.ts';
import { testAdapters } from '../adapters.ts';
import { randomInteger, randomSource } from '../compile/random.ts';

const STEPS = 90;
const CHECKPOINT_EVERY = 3;
/** Of the run that is killed. */
const KEEP = 2;
const KILLS = 10;
const TIMEOUT_MS = 900_000;
const CHECKPOINT_FILES = ['config.json', 'model.safetensors', 'trainer.json', 'trainer.safetensors'];

interface WorkerRun {
  /** Lines it wrote. */
  readonly lines: readonly string[];
  readonly wasKilled: boolean;
}

interface Moment {
  /** Lines after which it is killed, and a while more. */
  readonly lines: number;
  readonly delayMs: number;
}

/** Runs the worker to its end, or kills it at a moment. */
function runWorker(adapter: string, folder: string, keep: number, kill?: Moment): Promise<WorkerRun> {
  const worker = fileURLToPath(new URL('./worker.ts', import.meta.url));
  const args = ['--import', 'tsx', worker, adapter, folder, String(STEPS), String(keep)];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  const lines = (): string[] => text.split('\n').filter(Boolean);
  let killing: Promise<void> | undefined;
  child.stdout.setEncoding('utf8').on('data', (part: string) => {
    text += part;
    if (!kill || killing || lines().length < kill.lines) return;
    killing = sleep(kill.delayMs).then(() => {
      child.kill('SIGKILL');
    });
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (_code, signal) => resolve({ lines: lines(), wasKilled: signal === 'SIGKILL' }));
  });
}

const lastNumber = (lines: readonly string[], word: string): number =>
  Number(lines.findLast((line) => line.startsWith(word))?.split(' ')[1] ?? 0);

async function lossesIn(folder: string): Promise<readonly number[]> {
  const text = await readFile(join(folder, 'metrics.jsonl'), 'utf8');
  const lines = text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { step: number; loss: number });
  expect(lines.map(({ step }) => step)).toEqual(lines.map((_, i) => i + 1));
  return lines.map(({ loss }) => loss);
}

/** Every checkpoint in `folder` has the bytes of that of the same step in `whole`, in each of its files. */
async function expectWholeCheckpoints(folder: string, whole: string): Promise<number> {
  const found = await listCheckpoints(folder);
  for (const { path } of found) {
    expect((await readdir(path)).toSorted()).toEqual(CHECKPOINT_FILES);
    for (const file of CHECKPOINT_FILES) {
      const [actual, expected] = await Promise.all(
        [path, join(whole, basename(path))].map((at) => readFile(join(at, file))),
      );
      expect(actual?.equals(expected ?? Buffer.alloc(0)), `${basename(path)}/${file}`).toBe(true);
    }
  }
  return found[0]?.step ?? 0;
}

// One adapter will do: what a crash may spoil is on the disk. That resumed steps repeat exactly, others test on all of them.
describe.each(testAdapters().slice(0, 1))('a training on %s that is killed ten times', (adapter) => {
  let root = '';
  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), 'tessera-killed-'));
  });
  afterAll(() => rm(root, { recursive: true, force: true }));

  test(
    'loses no checkpoint and only the steps since the last, and ends with the bytes of one that was not',
    async () => {
      const [whole, killed] = [join(root, 'whole'), join(root, 'killed')];
      const random = randomSource(11);
      await Promise.all([whole, killed].map((path) => mkdir(path)));
      expect((await runWorker(adapter, whole, STEPS)).lines.at(-1)).toBe('done');
      expect(await listCheckpoints(whole)).toHaveLength(STEPS / CHECKPOINT_EVERY);

      let newest = 0;
      for (let round = 0; round < KILLS; round++) {
        const moment = { lines: randomInteger(random, 2, 9), delayMs: randomInteger(random, 0, 60) };
        const { lines, wasKilled } = await runWorker(adapter, killed, KEEP, moment);
        expect(wasKilled).toBe(true);
        expect(lastNumber(lines, 'start')).toBe(newest);
        newest = await expectWholeCheckpoints(killed, whole);
        expect(newest).toBeGreaterThanOrEqual(lastNumber(lines, 'checkpoint'));
        expect(lastNumber(lines, 'step') - newest).toBeLessThanOrEqual(CHECKPOINT_EVERY);
      }
      const last = await runWorker(adapter, killed, KEEP);
      expect(last.lines[0]).toBe(`start ${newest}`);
      expect(last.lines.at(-1)).toBe('done');

      expect(await expectWholeCheckpoints(killed, whole)).toBe(STEPS);
      const losses = await lossesIn(whole);
      expect(losses).toHaveLength(STEPS);
      expect(new Set(losses).size).toBe(STEPS);
      expect(await lossesIn(killed)).toEqual(losses);
      // Nothing half-written is left.
      expect((await readdir(killed)).toSorted()).toEqual([
        'checkpoint-000087',
        'checkpoint-000090',
        'metrics.jsonl',
      ]);
    },
    TIMEOUT_MS,
  );
});
