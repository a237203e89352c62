import { type ChildProcess, spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { pcg4d } from '../../src/core/pcg4d.ts';

export interface KillPlan {
  /** Command lines, without `node`. */
  readonly worker: readonly string[];
  readonly batch: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The batch's `--output`. */
  readonly output: string;
  readonly pictures: number;
  readonly workers: number;
  readonly kills: number;
  readonly seed: number;
  readonly onKill?: (finished: number) => void;
}

export interface KillReport {
  readonly exitCode: number | null;
  readonly kills: number;
  /** What the batch wrote to stderr. */
  readonly log: string;
  /** What the workers wrote to stderr. */
  readonly workerLog: string;
}

const POLL_MS = 20;

/**
 * Runs a batch over workers, and kills a worker picked by chance whenever a share of the pictures is done, picked by
 * chance too; another is started in its place. At the end the workers are asked to stop, and all have.
 */
export async function runWithKills(plan: KillPlan): Promise<KillReport> {
  const { kills, pictures, output, seed, onKill } = plan;
  let workerLog = '';
  const workers: ChildProcess[] = [];
  const start = (): void => {
    const worker = node(plan.worker, plan.env);
    worker.stderr?.on('data', (chunk: Buffer) => {
      workerLog += chunk.toString();
    });
    workers.push(worker);
  };
  const thresholds = Array.from({ length: kills }, (_, i) => chance(seed, i) * pictures).sort(
    (a, b) => a - b,
  );
  let killed = 0;
  try {
    for (let i = 0; i < plan.workers; i++) start();
    const batch = node(plan.batch, plan.env);
    let log = '';
    batch.stderr?.on('data', (chunk: Buffer) => {
      log += chunk.toString();
    });
    const ended = new Promise<number | null>((resolve) => batch.once('close', resolve));
    let exitCode: number | null | undefined;
    void ended.then((code) => {
      exitCode = code;
    });
    while (exitCode === undefined) {
      await sleep(POLL_MS);
      const finished = await countLines(`${output}.journal`);
      while (killed < kills && finished >= (thresholds[killed] ?? pictures) && finished > 0) {
        const at = Math.floor(chance(seed, 1000 + killed) * workers.length);
        const [victim] = workers.splice(at, 1);
        if (victim) await killNow(victim);
        killed++;
        start();
        onKill?.(finished);
      }
    }
    return { exitCode: await ended, kills: killed, log, workerLog };
  } finally {
    await Promise.all(workers.map((worker) => stopInOrder(worker)));
  }
}

const node = (
  [script = '', ...args]: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): ChildProcess => spawn(process.execPath, [script, ...args], { env, stdio: ['ignore', 'ignore', 'pipe'] });

/** 0 to 1. */
const chance = (seed: number, index: number): number => pcg4d(seed, index, 0, 0) / 2 ** 32;

const closed = (child: ChildProcess): Promise<void> =>
  child.exitCode !== null || child.signalCode !== null
    ? Promise.resolve()
    : new Promise((resolve) => child.once('close', () => resolve()));

async function killNow(child: ChildProcess): Promise<void> {
  const gone = closed(child);
  child.kill('SIGKILL');
  await gone;
}

const PATIENCE_MS = 30_000;

async function stopInOrder(child: ChildProcess): Promise<void> {
  const gone = closed(child);
  child.kill('SIGTERM');
  const killLater = setTimeout(() => child.kill('SIGKILL'), PATIENCE_MS);
  await gone;
  clearTimeout(killLater);
}

/** Lines after the first, which names the task. */
async function countLines(path: string): Promise<number> {
  const text = await readFile(path, 'latin1').catch(() => '');
  return Math.max(0, text.split('\n').length - 2);
}
