import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Queue, QueueEvents } from 'bullmq';
import { AbortError, EngineError } from '../core/errors.ts';
import { connectionTo, connectQueue, type QueueOptions } from './queue.ts';
import type { Retries } from './run-here.ts';
import { type BatchPicture, type BatchTask, type Outcome, readResult } from './task.ts';

/** Jobs in the queue at once: Redis holds so many pictures and results, however large the collection. */
const WINDOW = 1000;
/** Jobs are asked after this often, in case an event was lost with a connection. */
const RECONCILE_MS = 5_000;

export interface RunOnRedisOptions extends QueueOptions, Retries {
  /** The same for the same command, so that it finds its jobs again. */
  readonly runKey: string;
  readonly signal: AbortSignal;
  /** Called when no worker is there to do the work. */
  readonly onNoWorkers?: () => void;
}

/**
 * Runs a batch by way of a queue that any number of `tessera worker`s take jobs from. A job's name is made of the run and
 * the picture, so that putting it there again changes nothing, and its result is kept in Redis until the next one is asked
 * for: by then the caller must have put it away. When this ends early, jobs and results stay where they are.
 * Throws InputError when the server cannot be reached, AbortError.
 */
export async function* runOnRedis(
  task: BatchTask,
  pictures: readonly BatchPicture[],
  options: RunOnRedisOptions,
): AsyncGenerator<readonly Outcome[]> {
  const { url, queueName, signal } = options;
  const { Queue, QueueEvents } = await connectQueue(options);
  const connection = connectionTo(url);
  const queue = new Queue(queueName, { connection });
  const events = new QueueEvents(queueName, { connection });
  // While the server is away each try to reach it again is an event; the run waits for it.
  queue.on('error', () => {});
  events.on('error', () => {});
  try {
    yield* collect(task, pictures, queue, events, options);
  } finally {
    await Promise.all([queue.close(), events.close()]);
  }
  if (signal.aborted) throw new AbortError('batch: aborted by the caller');
}

async function* collect(
  task: BatchTask,
  pictures: readonly BatchPicture[],
  queue: Queue,
  events: QueueEvents,
  options: RunOnRedisOptions,
): AsyncGenerator<readonly Outcome[]> {
  const { signal, onNoWorkers } = options;
  const waiting = [...pictures].reverse();
  const inQueue = new Map<string, BatchPicture>();
  const maybeDone = new Set<string>();
  let wake = (): void => {};
  const hear = ({ jobId }: { readonly jobId: string }): void => {
    if (!inQueue.has(jobId)) return;
    maybeDone.add(jobId);
    wake();
  };
  events.on('completed', hear);
  events.on('failed', hear);
  const stop = (): void => wake();
  signal.addEventListener('abort', stop);
  let reconciledAt = Number.NEGATIVE_INFINITY;
  try {
    while (!signal.aborted && waiting.length + inQueue.size > 0) {
      await fill(task, waiting, inQueue, queue, options);
      if (performance.now() - reconciledAt > RECONCILE_MS) {
        for (const id of inQueue.keys()) maybeDone.add(id);
        reconciledAt = performance.now();
        if ((await queue.getWorkersCount()) === 0) onNoWorkers?.();
      }
      const ids = [...maybeDone];
      maybeDone.clear();
      const outcomes: Outcome[] = [];
      const done: string[] = [];
      for (const id of ids) {
        const picture = inQueue.get(id);
        const outcome = picture && (await outcomeOf(queue, id, picture, task));
        if (!picture || outcome === 'pending') continue;
        inQueue.delete(id);
        done.push(id);
        if (outcome === 'gone') waiting.push(picture);
        else if (outcome) outcomes.push(outcome);
      }
      if (outcomes.length > 0) yield outcomes;
      await Promise.all(done.map((id) => queue.remove(id)));
      if (done.length === 0 && maybeDone.size === 0) {
        const heard = new Promise<void>((resolve) => {
          wake = resolve;
        });
        if (!signal.aborted) await Promise.race([heard, sleep(RECONCILE_MS, undefined, { ref: true })]);
      }
    }
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

async function fill(
  task: BatchTask,
  waiting: BatchPicture[],
  inQueue: Map<string, BatchPicture>,
  queue: Queue,
  { runKey, attempts, backoffMs }: RunOnRedisOptions,
): Promise<void> {
  // By halves, so that jobs are added many at a time.
  if (inQueue.size > WINDOW / 2 || waiting.length === 0) return;
  const jobs = [];
  while (inQueue.size < WINDOW) {
    const picture = waiting.pop();
    if (!picture) break;
    const jobId = hash(`${runKey}\n${picture.id}`);
    inQueue.set(jobId, picture);
    const backoff = { type: 'exponential', delay: backoffMs };
    jobs.push({
      name: task.kind,
      data: { task, picture },
      opts: { jobId, attempts, backoff, stackTraceLimit: 0 },
    });
  }
  await queue.addBulk(jobs);
}

const hash = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 40);

/** `gone` where the queue was emptied behind our back. */
async function outcomeOf(
  queue: Queue,
  id: string,
  picture: BatchPicture,
  { kind }: BatchTask,
): Promise<Outcome | 'pending' | 'gone'> {
  const state = await queue.getJobState(id);
  if (state === 'unknown') return 'gone';
  if (state !== 'completed' && state !== 'failed') return 'pending';
  const job = await queue.getJob(id);
  if (!job) return 'gone';
  if (state === 'failed') return { picture, problem: problemOf(job.failedReason) };
  try {
    return { picture, result: readResult(kind, job.returnvalue) };
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
    return { picture, problem: error.message };
  }
}

const problemOf = (reason: string | undefined): string =>
  reason?.startsWith('job stalled')
    ? 'batch: each worker that took it ended before it was done (killed, or out of memory).'
    : (reason ?? 'batch: failed without a reason.');
