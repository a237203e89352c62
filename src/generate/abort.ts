import { AbortError } from '../core/errors.ts';

/** Throws AbortError where the caller's signal has fired. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new AbortError(undefined, { cause: signal.reason });
}

/** Fires with `signal` or by `stop`. */
export const stoppable = (signal: AbortSignal | undefined, stop: AbortController): AbortSignal =>
  signal ? AbortSignal.any([signal, stop.signal]) : stop.signal;

/**
 * Waits for `jobs`, which run together. After the first failure, with which it rejects, it stops the others and waits for
 * them too: none may go on with what the caller frees then.
 */
export async function together(
  jobs: readonly (Promise<unknown> | undefined)[],
  stop: AbortController,
): Promise<void> {
  try {
    await Promise.all(jobs);
  } catch (error) {
    stop.abort();
    await Promise.allSettled(jobs);
    throw error;
  }
}
