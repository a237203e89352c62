import { type ProxyMarked, proxy, type Remote, wrap } from 'comlink';
import type { Engine } from '../engine/engine.ts';

/** The engine in its worker. Functions that are handed over go through `proxy`. */
export type EngineClient = Remote<Engine>;

export { proxy };

export const connectEngine = (): EngineClient =>
  wrap<Engine>(
    new Worker(new URL('engine.js', document.baseURI), { type: 'module', name: 'tessera engine' }),
  );

/**
 * Calls the engine with a listener to its progress. What it tells comes by a port of its own, the last of it perhaps behind
 * the result, and is passed over then.
 */
export async function withProgress<Progress, Result>(
  onProgress: (progress: Progress) => void,
  call: (listener: ((progress: Progress) => void) & ProxyMarked) => Promise<Result>,
): Promise<Result> {
  let isSettled = false;
  try {
    return await call(
      proxy((progress: Progress) => {
        if (!isSettled) onProgress(progress);
      }),
    );
  } finally {
    isSettled = true;
  }
}
