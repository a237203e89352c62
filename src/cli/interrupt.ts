export const EXIT_INTERRUPTED = 130;

/** Signals within this time are one Ctrl-C: a terminal sends it to the whole group, and npm and tsx hand it on besides. */
const SAME_KEY_MS = 1000;

/**
 * A signal that Ctrl-C fires, so that all ends in order; a second Ctrl-C ends the program at once.
 * A terminal in raw mode sends no SIGINT: whoever puts it there handles the key.
 */
export function watchInterrupt(): AbortSignal {
  const abort = new AbortController();
  let firstMs = 0;
  process.on('SIGINT', () => {
    if (abort.signal.aborted) {
      if (performance.now() - firstMs > SAME_KEY_MS) endAtOnce();
      return;
    }
    firstMs = performance.now();
    abort.abort();
  });
  return abort.signal;
}

/** By the signal itself: process.exit() takes the GPU's library down while its threads still work, which crashes. */
function endAtOnce(): void {
  process.removeAllListeners('SIGINT');
  process.kill(process.pid, 'SIGINT');
}
