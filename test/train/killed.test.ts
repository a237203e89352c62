import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { listCheckpoints } from '../../src/train/checkpoint.ts';
import { testAdapters } from '../adapters.ts';
import { randomInteger, randomSource } from '../compile/random.ts';

const STEPS = 40;
const CHECKPOINT_EVERY = 3;
const KILLS = 4;
const TIMEOUT_MS = 900_000;

interface WorkerRun {
  /** Lines it wrote. */
  readonly lines: readonly string[];
  readonly wasKilled: boolean;
}

/** Runs the worker to its end, or kills it a moment after it wrote so many lines. */
function runWorker(
  adapter: string,
  folder: string,
  kill?: { lines: number; delayMs: number },
): Promise<WorkerRun> {
  const worker = fileURLToPath(new URL('./worker.ts', import.meta.url));
  const child = spawn(process.execPath, ['--import', 'tsx', worker, adapter, folder, String(STEPS)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
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

describe.each(testAdapters())('a training on %s that is killed again and again', (adapter) => {
  let root = '';
  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), 'tessera-killed-'));
  });
  afterAll(() => rm(root, { recursive: true, force: true }));

  test(
    'loses no checkpoint, and ends with the losses of one that was not, bit for bit',
    async () => {
      const [whole, killed] = [join(root, 'whole'), join(root, 'killed')];
      const random = randomSource(11);
      await Promise.all([whole, killed].map((path) => mkdir(path)));
      expect((await runWorker(adapter, whole)).lines.at(-1)).toBe('done');

      let announced = 0;
      let kills = 0;
      for (let round = 0; round < KILLS; round++) {
        const moment = { lines: randomInteger(random, 2, 11), delayMs: randomInteger(random, 0, 60) };
        const { lines, wasKilled } = await runWorker(adapter, killed, moment);
        // It began where the newest checkpoint was, at most the steps since then were lost.
        expect(lastNumber(lines, 'start')).toBeGreaterThanOrEqual(announced);
        announced = Math.max(announced, lastNumber(lines, 'checkpoint'));
        const [newest] = await listCheckpoints(killed);
        expect(newest?.step ?? 0).toBeGreaterThanOrEqual(announced);
        expect(lastNumber(lines, 'step') - (newest?.step ?? 0)).toBeLessThanOrEqual(CHECKPOINT_EVERY);
        if (wasKilled) kills++;
      }
      expect(kills).toBeGreaterThanOrEqual(2);
      const last = await runWorker(adapter, killed);
      expect(last.lines.at(-1)).toBe('done');

      const losses = await lossesIn(whole);
      expect(losses).toHaveLength(STEPS);
      expect(new Set(losses).size).toBe(STEPS);
      expect(await lossesIn(killed)).toEqual(losses);
      for (const file of ['model.safetensors', 'trainer.safetensors', 'trainer.json']) {
        const [a, b] = await Promise.all(
          [whole, killed].map((folder) => readFile(join(folder, 'checkpoint-000040', file))),
        );
        expect(a?.equals(b ?? Buffer.alloc(0)), file).toBe(true);
      }
      // Two checkpoints are kept, and nothing half-written is left.
      expect((await readdir(killed)).toSorted()).toEqual([
        'checkpoint-000039',
        'checkpoint-000040',
        'metrics.jsonl',
      ]);
    },
    TIMEOUT_MS,
  );
});
