import { AbortError, invariant } from '../../core/errors.ts';
import type { ProcessedMedium } from '../../processors/processor.ts';
import type { CheckpointAssets } from '../checkpoint-assets.ts';
import { chunkEnd } from '../decoder-inputs.ts';
import type { GenerationResult } from '../generation.ts';
import type { ImageFeatures } from '../image-encoder.ts';
import type { ModelRuntime } from '../sessions.ts';
import type { AnswerBatch, BatchOptions } from './batch.ts';
import { batchSizes } from './batch-sizes.ts';
import { createFairQueue } from './fair-queue.ts';
import { createJob, type Job, NO_PAGES } from './job.ts';
import { createPagePool, PAGE_SIZE } from './page-pool.ts';
import { createPagedDecoder, type DecodedRows } from './paged-decoder.ts';
import { type PassRow, rowPart } from './pass-inputs.ts';
import { isLong, promptGroup } from './prompt-group.ts';
import { runPromptRows } from './prompt-rows.ts';

export interface BatchParts {
  readonly runtime: ModelRuntime;
  readonly assets: CheckpointAssets;
  /** Features of pictures; they stay the encoder's caller's. */
  readonly encode: (media: readonly ProcessedMedium[], minRows?: number) => Promise<ImageFeatures>;
}

interface LongPrompt {
  readonly job: Job;
  /** What the cache did not hold when it began. */
  readonly row: PassRow;
  readonly features: ImageFeatures | undefined;
  /** Tokens of the row that have run. */
  readonly begin: number;
}

/**
 * Continuous batching (Yu et al. 2022, Orca) over a paged KV cache: between any two steps of all answers, requests that
 * ended leave, and the next prompts run, several short ones in one pass or a chunk of a long one. A request holds the pages
 * for its longest answer from the beginning, so none is ever put out; pages that hold the beginning of its prompt already
 * are shared (Kwon et al. 2023, arXiv 2309.06180). Throws InputError for sizes that do not fit.
 */
export async function createBatch(
  { runtime, assets, encode }: BatchParts,
  options: BatchOptions = {},
): Promise<AnswerBatch> {
  const sizes = batchSizes(runtime, options);
  const { slots, contextTokens } = sizes;
  const decoder = createPagedDecoder(runtime, sizes);
  const pool = createPagePool(sizes.pages);
  const context = { assets, contextTokens, peakGpuBytes: () => runtime.device.memory.peakBytes };
  try {
    await decoder.prepare();
  } catch (error) {
    decoder.dispose();
    throw error;
  }

  const waiting = createFairQueue<Job>();
  let preparing = 0;
  /** Prompts that are made; they run in this order. */
  const ready: Job[] = [];
  /** A long prompt that runs by itself, a chunk at a time. */
  let running: LongPrompt | undefined;
  /** Those whose prompts run in one pass. */
  let begun: readonly Job[] = [];
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

  const inSlots = (): number => preparing + ready.length + begun.length + active.length + (running ? 1 : 0);
  const leave = (job: Job): void => {
    pool.note(job.pages.pages, job.contents());
    pool.give(job.pages.pages);
    job.pages = NO_PAGES;
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

  /** What the pool knows of a prompt's beginning changes as answers end, so it is asked anew each time. */
  const waitingPrompt = (job: Job) => {
    const known = pool.known(job.beginning);
    const tokens = job.promptTokens - known * PAGE_SIZE;
    return { job, known, tokens, begins: known === 0, hasPictures: job.hasPictures };
  };

  /** The next prompts, where their pages are free; they wait for those of answers that end otherwise. */
  const takePrompts = (): readonly Job[] => {
    const taken: Job[] = [];
    for (const { job, known } of promptGroup(ready.map(waitingPrompt), decoder.sizes)) {
      const shared = job.beginning.slice(0, known);
      const pages = pool.take(job.reservedTokens, shared);
      if (!pages) break;
      // Those taken just now may be what it was to share.
      if (pages.known < shared.length) {
        pool.give(pages.pages);
        break;
      }
      job.pages = pages;
      ready.splice(ready.indexOf(job), 1);
      taken.push(job);
    }
    return taken;
  };

  const beginLong = async (job: Job): Promise<void> => {
    const { row, media } = job.promptRow();
    const begun = { job, row, begin: 0 };
    running = { ...begun, features: undefined };
    try {
      if (media.length > 0) running = { ...begun, features: await encode(media) };
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

  /** A job's first token after its prompt. */
  const beginAnswer = (job: Job, token: number, logits: Float32Array | undefined): void => {
    const ended = ends(job, token, job.promptTokens, logits);
    pool.note(job.pages.pages, job.contents());
    if (ended) leave(job);
    else active.push(job);
  };

  const stepLong = async (): Promise<void> => {
    if (!running) return;
    const { job, row, features, begin } = running;
    const { past, spans } = row;
    const length = row.tokenIds.length;
    try {
      const end = chunkEnd(begin, length, spans, past);
      const done = await decoder.run([rowPart(row, begin, end)], {
        begins: past + begin === 0,
        wantsLogits: job.readsLogits && end === length,
        features,
      });
      running = { ...running, begin: end };
      if (end < length) return;
      running = undefined;
      features?.dispose();
      beginAnswer(job, tokenOf(done, 0), done.logits[0]);
    } catch (error) {
      endPrompt(error);
    }
  };

  /** Runs prompts in one pass. Where that fails, each runs by itself, so that one that is at fault ends alone. */
  const runPrompts = async (jobs: readonly Job[]): Promise<void> => {
    try {
      const done = await runPromptRows(jobs, decoder, encode);
      begun = begun.filter((job) => !jobs.includes(job));
      for (const [i, job] of jobs.entries()) beginAnswer(job, tokenOf(done, i), done.logits[i]);
    } catch (error) {
      if (jobs.length > 1) {
        for (const job of jobs) await runPrompts([job]);
        return;
      }
      begun = begun.filter((job) => !jobs.includes(job));
      for (const job of jobs) {
        leave(job);
        job.fail(error);
      }
    }
  };

  const stepPrompts = async (): Promise<void> => {
    if (running) return stepLong();
    begun = takePrompts();
    const [first] = begun;
    if (!first) return;
    if (!isLong({ tokens: first.promptTokens - first.pages.known * PAGE_SIZE })) return runPrompts(begun);
    begun = [];
    await beginLong(first);
    return stepLong();
  };

  const stepAnswers = async (): Promise<void> => {
    const jobs = [...active];
    const rows = jobs.map((job) => job.row());
    try {
      const wantsLogits = jobs.some(({ readsLogits }) => readsLogits);
      const done = await decoder.run(rows, { begins: false, wantsLogits });
      for (const [i, job] of jobs.entries()) {
        if (!ends(job, tokenOf(done, i), (rows[i]?.past ?? 0) + 1, done.logits[i])) continue;
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
      await stepPrompts();
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
      decoder.dispose();
    },
  };
}

function tokenOf({ tokens }: DecodedRows, row: number): number {
  const token = tokens[row];
  invariant(token !== undefined, `the pass gave no token for row ${row}`);
  return token;
}
