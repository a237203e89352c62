import { AbortError } from '../core/errors.ts';
import type { Schedule } from './schedule.ts';
import type { Batch, StepReport, Trainer } from './trainer.ts';

/** A training from its first step to its last: what it steps on, and what is told on the way. */
export interface TrainingRun {
  readonly trainer: Pick<Trainer, 'step'>;
  /** Batches of a step, counted from 0: the same whenever it is asked for. */
  readonly batchesOf: (step: number) => readonly Batch[] | Promise<readonly Batch[]>;
  readonly schedule: Schedule;
  /** Steps in all. */
  readonly steps: number;
  /** Steps taken already. */
  readonly startStep?: number | undefined;
  /** Called in order, some steps after a step was submitted; `step` counts it as taken. */
  readonly onStep?: ((step: number, report: StepReport) => void) | undefined;
  /** Steps after which `onCheckpoint` is called, also after the last. */
  readonly checkpointEvery?: number | undefined;
  /** All reports up to `step` were given; nothing is submitted until it returns. */
  readonly onCheckpoint?: ((step: number) => Promise<void>) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Steps submitted ahead of the oldest whose loss is not back yet: the next batch is made while the GPU works. */
const STEPS_AHEAD = 2;

/**
 * Takes steps until all are taken. Losses come back as they are ready, and no step waits for the loss of the one before.
 * Throws AbortError where the signal fired: the last checkpoint stays, nothing else is written.
 */
export async function runTraining(run: TrainingRun): Promise<void> {
  const {
    trainer,
    batchesOf,
    schedule,
    steps,
    startStep = 0,
    checkpointEvery = Number.POSITIVE_INFINITY,
  } = run;
  const pending: { readonly step: number; readonly report: Promise<StepReport> }[] = [];
  const settle = async (most: number): Promise<void> => {
    while (pending.length > most) {
      const oldest = pending.shift();
      const report = await oldest?.report;
      if (oldest && report) run.onStep?.(oldest.step, report);
    }
  };
  try {
    for (let step = startStep; step < steps; step++) {
      if (run.signal?.aborted) throw new AbortError('training: aborted by the caller');
      const batches = await batchesOf(step);
      const report = trainer.step(batches, schedule(step));
      // Handled when its turn comes; until then it must not count as unhandled.
      report.catch(() => undefined);
      pending.push({ step: step + 1, report });
      const isDue = (step + 1) % checkpointEvery === 0 || step + 1 === steps;
      await settle(isDue ? 0 : STEPS_AHEAD);
      if (isDue) await run.onCheckpoint?.(step + 1);
    }
  } finally {
    await Promise.allSettled(pending.map(({ report }) => report));
  }
}
