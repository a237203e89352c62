import { InputError } from '../core/errors.ts';
import { isJsonObject } from '../weights/strict-json.ts';
import { connectionTo, connectQueue, type QueueOptions } from './queue.ts';
import { isFaultOfPicture } from './run-here.ts';
import {
  type BatchPicture,
  type BatchTask,
  type OpenTask,
  readBatchPicture,
  readTask,
  type TaskRunner,
} from './task.ts';

export interface WorkOptions extends QueueOptions {
  readonly open: OpenTask;
  /** A job whose worker has not been heard of for so long is given to another. */
  readonly lockMs: number;
  /** Ends the work when the picture at hand is done. */
  readonly signal: AbortSignal;
  /** After each picture; without a problem it has its result. */
  readonly onPicture?: (id: string, problem?: string) => void;
  /** The server is away, and will be tried again. */
  readonly onTrouble?: (message: string) => void;
}

/** A picture at which so many workers died is to blame for it. */
const MAX_STALLS = 3;

/**
 * Takes jobs from the queue until the signal fires, one at a time; the model of the latest task stays loaded.
 * Throws InputError when the server cannot be reached, and what no picture is to blame for (a lost device): the job at
 * hand is then another worker's.
 */
export async function work(options: WorkOptions): Promise<void> {
  const { url, queueName, open, lockMs, signal, onPicture, onTrouble } = options;
  const { Worker } = await connectQueue(options);
  const never = new AbortController().signal;
  const runners = keepLatest(open);
  let fault: { readonly error: unknown } | undefined;
  const worker = new Worker(
    queueName,
    async (job) => {
      const { task, picture } = readJob(job.data);
      try {
        const runner = await runners.get(task);
        const result = await runner.run(picture, never);
        onPicture?.(picture.id);
        return result;
      } catch (error) {
        if (!isFaultOfPicture(error)) {
          fault ??= { error };
          void worker.close();
        }
        onPicture?.(picture.id, error instanceof Error ? error.message : String(error));
        throw error;
      }
    },
    {
      connection: connectionTo(url),
      autorun: false,
      concurrency: 1,
      lockDuration: lockMs,
      stalledInterval: lockMs / 2,
      maxStalledCount: MAX_STALLS,
    },
  );
  worker.on('error', (error) => onTrouble?.(error.message));
  const stop = (): void => void worker.close();
  signal.addEventListener('abort', stop);
  try {
    if (!signal.aborted) await worker.run();
    // `run` may end before what is at hand is done; closing waits for it.
    await worker.close();
  } finally {
    signal.removeEventListener('abort', stop);
    await runners.dispose();
  }
  if (fault) throw fault.error;
}

/** What lies in the queue comes from outside. Throws InputError. */
function readJob(data: unknown): { readonly task: BatchTask; readonly picture: BatchPicture } {
  if (!isJsonObject(data))
    throw new InputError('batch: the job holds no object; expected { task, picture }.');
  return { task: readTask(data.task), picture: readBatchPicture(data.picture) };
}

function keepLatest(open: OpenTask) {
  let latest: { readonly key: string; readonly runner: Promise<TaskRunner> } | undefined;
  const dispose = async (): Promise<void> => {
    const runner = await latest?.runner.catch(() => undefined);
    latest = undefined;
    runner?.dispose();
  };
  return {
    async get(task: BatchTask): Promise<TaskRunner> {
      const key = JSON.stringify(task);
      if (latest?.key !== key) {
        await dispose();
        latest = { key, runner: open(task) };
      }
      return latest.runner;
    },
    dispose,
  };
}
