import { AbortError, invariant } from '../../core/errors.ts';
import type { ProcessedMedium } from '../../processors/processor.ts';
import type { CheckpointAssets } from '../checkpoint-assets.ts';
import type { GenerationResult } from '../generation.ts';
import type { ImageFeatures } from '../image-encoder.ts';
import type { ModelRuntime } from '../sessions.ts';
import type { AnswerBatch, BatchOptions } from './batch.ts';
import { batchSizes } from './batch-sizes.ts';
import { createFairQueue } from './fair-queue.ts';
import { createJob, type Job } from './job.ts';
import { createPagePool } from './page-pool.ts';
import { createPagedDecoder } from './paged-decoder.ts';
import { createPrefill } from './prefill.ts';

export interface BatchParts {
  readonly runtime: ModelRuntime;
  readonly assets: CheckpointAssets;
  /** Features of pictures; they stay the encoder's caller's. */
  readonly encode: (media: readonly ProcessedMedium[]) => Promise<ImageFeatures>;
}

/**
 * Continuous batching (Yu et al. 2022, Orca) over a paged KV cache: between any two steps of all answers, requests that
 * ended leave, and the next one's prompt runs a chunk. A request holds the pages for its longest answer from the
 * beginning, so none is ever put out. Throws InputError for sizes that do not fit.
 */
export async function createBatch(
  { runtime, assets, encode }: BatchParts,
  options: BatchOptions = {},
): Promise<AnswerBatch> {
  const sizes = batchSizes(runtime, options);
  const { slots, contextTokens } = sizes;
  const decoder = createPagedDecoder(runtime, sizes);
  const prefill = createPrefill(runtime, contextTokens);
  const pool = createPagePool(sizes.pages);
  const context = { assets, contextTokens, peakGpuBytes: () => runtime.device.memory.peakBytes };
  const release = (): void => {
    prefill.dispose();
    decoder.dispose();
  };
  try {
    await decoder.prepare();
  } catch (error) {
    release();
    throw error;
  }

  const waiting = createFairQueue<Job>();
  let preparing = 0;
  /** Prompts that are made; they run in this order. */
  const ready: Job[] = [];
  let running: { readonly job: Job; readonly features: ImageFeatures | undefined } | undefined;
  /** Answers that get a token a step. */
  const active: Job[] = [];
  let disposed = false;
  /** Whether anything happened since the loop last looked. */
  let changed = false;
  let resume = (): void => {};
  const wake = (): void => {
    changed = true;
    resume();
  };

  const inSlots = (): number => preparing + ready.length + active.length + (running ? 1 : 0);
  const leave = (job: Job): void => {
    pool.give(job.pages);
    job.pages = [];
  };

  const admit = (): void => {
    while (inSlots() < slots) {
      const job = waiting.shift();
      if (!job) return;
      preparing++;
      job
        .prepare()
        .then(
          () => ready.push(job),
          (error: unknown) => job.fail(error),
        )
        .finally(() => {
          preparing--;
          wake();
        });
    }
  };

  /** Those whose callers left. */
  const dropAborted = (): void => {
    for (const list of [ready, active]) {
      for (const job of list.filter(({ isAborted }) => isAborted || disposed)) {
        list.splice(list.indexOf(job), 1);
        leave(job);
        job.fail(new AbortError());
      }
    }
    if (running && (running.job.isAborted || disposed)) endPrompt(new AbortError());
  };

  const endPrompt = (error: unknown): void => {
    if (!running) return;
    const { job, features } = running;
    running = undefined;
    features?.dispose();
    leave(job);
    job.fail(error);
  };

  /** The next prompt, where its pages are free; it waits for those of answers that end otherwise. */
  const beginPrompt = async (): Promise<void> => {
    const [job] = ready;
    const pages = job && pool.take(job.reservedTokens);
    if (!job?.prompt || !pages) return;
    ready.shift();
    job.pages = pages;
    const { prompt, sampling, seed } = job;
    running = { job, features: undefined };
    try {
      if (prompt.media.length > 0) running = { job, features: await encode(prompt.media) };
      prefill.start({ prompt, features: running.features, sampling, seed });
    } catch (error) {
      endPrompt(error);
    }
  };

  /** Whether a token is the answer's last; a caller who throws at a piece loses its own answer alone. */
  const ends = (job: Job, ...taken: Parameters<Job['take']>): boolean => {
    try {
      return job.take(...taken);
    } catch (error) {
      job.fail(error);
      return true;
    }
  };

  const stepPrompt = async (): Promise<void> => {
    if (!running) return;
    const { job, features } = running;
    try {
      const done = await prefill.step();
      if (!done) return;
      const tokens = job.prompt?.tokenIds.length ?? 0;
      decoder.adopt(prefill.states(), job.pages, tokens);
      running = undefined;
      features?.dispose();
      if (ends(job, done.token, tokens, done.logits)) leave(job);
      else active.push(job);
    } catch (error) {
      endPrompt(error);
    }
  };

  const stepAnswers = async (): Promise<void> => {
    const jobs = [...active];
    const rows = jobs.map((job) => job.row());
    try {
      const { tokens, logits } = await decoder.step(
        rows,
        jobs.some(({ readsLogits }) => readsLogits),
      );
      for (const [i, job] of jobs.entries()) {
        const [token, row] = [tokens[i], rows[i]];
        invariant(token !== undefined && row, `the step gave no token for row ${i}`);
        if (!ends(job, token, row.past + 1, logits[i])) continue;
        active.splice(active.indexOf(job), 1);
        leave(job);
      }
    } catch (error) {
      for (const job of active.splice(0)) {
        leave(job);
        job.fail(error);
      }
    }
  };

  const run = async (): Promise<void> => {
    for (;;) {
      changed = false;
      if (!disposed) admit();
      dropAborted();
      if (disposed && inSlots() === 0) return;
      if (!running) await beginPrompt();
      await stepPrompt();
      if (active.length > 0) await stepAnswers();
      const canAdmit = waiting.size > 0 && inSlots() < slots;
      if (running || ready.length + active.length > 0 || canAdmit || changed) continue;
      await new Promise<void>((resolve) => {
        resume = resolve;
      });
    }
  };
  const ended = run();

  return {
    get load() {
      return { running: inSlots(), slots, waiting: waiting.size, pages: pool.count, freePages: pool.free };
    },
    answer(request, emit) {
      return new Promise<GenerationResult>((resolve, reject) => {
        if (disposed || request.signal?.aborted) return reject(new AbortError());
        const job = createJob(request, { emit, resolve, reject }, context);
        request.signal?.addEventListener(
          'abort',
          () => {
            if (waiting.remove(job)) job.fail(new AbortError());
            wake();
          },
          { once: true },
        );
        waiting.push(job.client, job);
        wake();
      });
    },
    async dispose() {
      disposed = true;
      for (let job = waiting.shift(); job; job = waiting.shift()) job.fail(new AbortError());
      wake();
      await ended;
      release();
    },
  };
}
