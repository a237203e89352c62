/** Ends what waits for a server that sends nothing more. */
export interface IdleWatch {
  /** Fires when `alive` was not called for the idle time, or on `stop`. */
  readonly signal: AbortSignal;
  readonly isIdle: boolean;
  alive(): void;
  /** No more watching; a request on `signal` that is still open is dropped. */
  stop(): void;
}

export function watchIdle(idleTimeoutMs: number): IdleWatch {
  const abort = new AbortController();
  let isIdle = false;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const alive = (): void => {
    clearTimeout(timer);
    if (abort.signal.aborted) return;
    timer = setTimeout(() => {
      isIdle = true;
      abort.abort();
    }, idleTimeoutMs);
  };
  alive();
  return {
    signal: abort.signal,
    get isIdle() {
      return isIdle;
    },
    alive,
    stop() {
      clearTimeout(timer);
      abort.abort();
    },
  };
}
