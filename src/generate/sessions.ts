import { compile } from '../compile/compile.ts';
import type { Plan } from '../compile/plan.ts';
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

/** Plans by the keys of sessions that are to run them. */
export type PlansAhead = Map<string, Plan>;

/** Compiled sessions by key, the least recently used one disposed of when there are more than `limit`. */
export interface SessionCache {
  get(key: string, build: () => Graph): Promise<Session>;
  /** Compiles what `get` of this key will run, which then does not. Takes no memory on the device. */
  planAhead(key: string, build: () => Graph): Plan;
  clear(): void;
}

export function createSessionCache(
  { device, weights }: Pick<ModelRuntime, 'device' | 'weights'>,
  states: StateStore,
  limit: number,
  ahead: PlansAhead = new Map(),
): SessionCache {
  const sessions = new Map<string, Session>();
  const compiled = (key: string, build: () => Graph): Plan => ahead.get(key) ?? compile(build(), device.caps);
  const open = (key: string, build: () => Graph): Promise<Session> => {
    const plan = compiled(key, build);
    ahead.delete(key);
    return createSession(device, plan, { weights, states, label: key });
  };
  return {
    planAhead(key, build) {
      const plan = sessions.get(key)?.plan ?? compiled(key, build);
      if (!sessions.has(key)) ahead.set(key, plan);
      return plan;
    },
    async get(key, build) {
      const session = sessions.get(key) ?? (await open(key, build));
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
