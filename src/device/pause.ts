/** Rests between the turns of Node's event loop while the device works. */
export interface Pause {
  /** To be called whenever something is under way on the device. */
  begin(): void;
}

/** Of a device for which something is waited as long as `isWaiting`. */
export type CreatePause = (isWaiting: () => boolean) => Pause;

/** Short waits end without a rest: most of what a rest costs is the time until it is noticed that they are over. */
const ATTENTIVE_MS = 0.3;
/** So much of a wait is overslept at most. */
const SHARE = 1 / 16;
const MAX_REST_MS = 0.5;
/** A turn of the event loop that took longer had other work to do. */
const IDLE_TURN_MS = 0.1;

/**
 * Dawn's binding looks for finished work in every turn of the event loop, one after another without end, while any is under
 * way. Where the adapter is the CPU, that takes a core from the very work it waits for: on two cores, tokens take up to
 * half as long again. A thread of JavaScript can only be stopped as a whole, so a rest is short, and none is
 * taken while there is something else to do.
 */
export function createPause(isWaiting: () => boolean): Pause {
  const never = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
  let running = false;
  let sinceMs = 0;
  let turnMs = 0;

  const turn = (): void => {
    if (!isWaiting()) {
      running = false;
      return;
    }
    const nowMs = performance.now();
    const waitedMs = nowMs - sinceMs;
    if (waitedMs > ATTENTIVE_MS && nowMs - turnMs < IDLE_TURN_MS)
      Atomics.wait(never, 0, 0, Math.min(waitedMs * SHARE, MAX_REST_MS));
    turnMs = performance.now();
    setImmediate(turn);
  };

  return {
    begin() {
      sinceMs = performance.now();
      if (running) return;
      running = true;
      turnMs = sinceMs;
      setImmediate(turn);
    },
  };
}
