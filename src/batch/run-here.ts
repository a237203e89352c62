import { setTimeout as sleep } from 'node:timers/promises';
import { AbortError, EngineError } from '../core/errors.ts';
import type { BatchPicture, BatchTask, OpenTask, Outcome } from './task.ts';

export interface Retries {
  /** Times that a picture is tried. */
  readonly attempts: number;
  /** Before the second attempt; doubled before each further one. */
  readonly backoffMs: number;
}

interface Attempt {
  readonly picture: BatchPicture;
  readonly number: number;
  readonly dueMs: number;
}

/**
 * Runs a batch in this process, one picture after another; one that fails is tried again later, while others go on.
 * Throws what is no fault of a picture: AbortError, a lost device, a model that cannot be loaded.
 */
export async function* runHere(
  task: BatchTask,
  pictures: readonly BatchPicture[],
  open: OpenTask,
  { attempts, backoffMs, signal }: Retries & { readonly signal: AbortSignal },
): AsyncGenerator<readonly Outcome[]> {
  if (pictures.length === 0) return;
  const runner = await open(task);
  const fresh = pictures[Symbol.iterator]();
  const later: Attempt[] = [];
  try {
    for (;;) {
      const attempt = await nextAttempt(fresh, later, signal);
      if (!attempt) return;
      const { picture, number } = attempt;
      try {
        yield [{ picture, result: await runner.run(picture, signal) }];
      } catch (error) {
        if (signal.aborted || !isFaultOfPicture(error)) throw error;
        const pauseMs = backoffMs * 2 ** (number - 1);
        if (number < attempts)
          later.push({ picture, number: number + 1, dueMs: performance.now() + pauseMs });
        else yield [{ picture, problem: error.message }];
      }
    }
  } finally {
    runner.dispose();
  }
}

/** What a picture or its address can be to blame for; all else would fail for every picture. */
export const isFaultOfPicture = (error: unknown): error is EngineError =>
  error instanceof EngineError && (error.code === 'input' || error.code === 'unsupported');

/** One that is due again, else a new one, else the next that will be due. */
async function nextAttempt(
  fresh: Iterator<BatchPicture>,
  later: Attempt[],
  signal: AbortSignal,
): Promise<Attempt | undefined> {
  if (signal.aborted) throw new AbortError('batch: aborted by the caller');
  const soonest = later[0]; // pauses grow with each attempt, so the order is nearly that of being due
  if (soonest && soonest.dueMs <= performance.now()) return later.shift();
  const { value, done } = fresh.next();
  if (!done) return { picture: value, number: 1, dueMs: 0 };
  if (!soonest) return undefined;
  await sleep(Math.max(0, soonest.dueMs - performance.now()), undefined, { signal });
  return later.shift();
}
