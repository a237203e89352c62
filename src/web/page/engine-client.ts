import { proxy, type Remote, wrap } from 'comlink';
import type { Engine } from '../engine/engine.ts';

/** The engine in its worker. Functions that are handed over go through `proxy`. */
export type EngineClient = Remote<Engine>;

export { proxy };

export const connectEngine = (): EngineClient =>
  wrap<Engine>(
    new Worker(new URL('engine.js', document.baseURI), { type: 'module', name: 'tessera engine' }),
  );
