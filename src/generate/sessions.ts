import { compile } from '../compile/compile.ts';
import type { Device } from '../device/gpu-device.ts';
import type { Graph } from '../graph/graph.ts';
import type { Model } from '../models/model.ts';
import type { Precision } from '../models/parameters.ts';
import { createSession, type Session } from '../runtime/session.ts';
import type { StateStore } from '../runtime/state-store.ts';
import type { WeightStore } from '../runtime/weight-store.ts';
import type { WeightScope } from '../weights/weight-scope.ts';

/** A model bound to a device and its weights: what encoding and decoding share. */
export interface ModelRuntime {
  readonly device: Device;
  readonly model: Model;
  readonly weightScope: WeightScope;
  readonly weights: WeightStore;
  readonly precision: Precision;
}

/** Compiled sessions by key, the least recently used one disposed of when there are more than `limit`. */
export interface SessionCache {
  get(key: string, build: () => Graph): Promise<Session>;
  clear(): void;
}

export function createSessionCache(
  { device, weights }: Pick<ModelRuntime, 'device' | 'weights'>,
  states: StateStore,
  limit: number,
): SessionCache {
  const sessions = new Map<string, Session>();
  return {
    async get(key, build) {
      const known = sessions.get(key);
      const session =
        known ??
        (await createSession(device, compile(build(), device.caps), { weights, states, label: key }));
      // A Map iterates in insertion order, so the first key is the one longest unused.
      sessions.delete(key);
      sessions.set(key, session);
      for (const [oldest, stale] of sessions) {
        if (sessions.size <= limit) break;
        sessions.delete(oldest);
        stale.dispose();
      }
      return session;
    },
    clear() {
      for (const session of sessions.values()) session.dispose();
      sessions.clear();
    },
  };
}
