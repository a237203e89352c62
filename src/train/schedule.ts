import { InputError } from '../core/errors.ts';

/** A learning rate that rises to its peak and falls along a cosine. */
export interface ScheduleOptions {
  /** Largest learning rate. */
  readonly peak: number;
  /** Steps of all training. */
  readonly steps: number;
  /** Steps over which the rate rises in a line from near 0 to `peak`; default 0. */
  readonly warmup?: number | undefined;
  /** Rate at the end; default 0. */
  readonly floor?: number | undefined;
}

/** The learning rate of a step, counted from 0. */
export type Schedule = (step: number) => number;

/**
 * A rise in a line, then half a cosine down (Loshchilov & Hutter 2017, arXiv 1608.03983, equation 5, without restarts).
 * Throws InputError for a warm-up longer than the training.
 */
export function warmupCosine({ peak, steps, warmup = 0, floor = 0 }: ScheduleOptions): Schedule {
  if (!(warmup >= 0 && warmup <= steps && peak > 0)) {
    throw new InputError(
      `schedule: warm-up ${warmup} of ${steps} steps to a learning rate of ${peak}; expected 0 to ${steps}, and a rate over 0.`,
    );
  }
  return (step) => {
    if (step < warmup) return (peak * (step + 1)) / warmup;
    const share = Math.min(1, (step - warmup) / Math.max(1, steps - warmup));
    return floor + 0.5 * (peak - floor) * (1 + Math.cos(Math.PI * share));
  };
}
