/** Ctrl-C: the first fires the signal, so that all ends in order; a second one ends the program at once. */
export interface Interrupt {
  readonly signal: AbortSignal;
  /** What a terminal in raw mode calls instead of sending a signal. */
  trigger(): void;
}

export const EXIT_INTERRUPTED = 130;

export function watchInterrupt(): Interrupt {
  const abort = new AbortController();
  const trigger = (): void => {
    if (abort.signal.aborted) process.exit(EXIT_INTERRUPTED);
    abort.abort();
  };
  process.on('SIGINT', trigger);
  return { signal: abort.signal, trigger };
}
