export const EXIT_INTERRUPTED = 130;

/**
 * A signal that Ctrl-C fires, so that all ends in order; a second Ctrl-C ends the program at once.
 * A terminal in raw mode sends no SIGINT: whoever puts it there handles the key.
 */
export function watchInterrupt(): AbortSignal {
  const abort = new AbortController();
  process.on('SIGINT', () => {
    if (abort.signal.aborted) endAtOnce();
    abort.abort();
  });
  return abort.signal;
}

/** By the signal itself: process.exit() takes the GPU's library down while its threads still work, which crashes. */
function endAtOnce(): void {
  process.removeAllListeners('SIGINT');
  process.kill(process.pid, 'SIGINT');
}
