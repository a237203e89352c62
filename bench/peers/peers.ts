import { startJax } from './jax.ts';
import { isModelCase } from './model-case.ts';
import { OURS } from './names.ts';
import { startOnnxruntimeNode, startOnnxruntimeWeb } from './onnxruntime.ts';
import type { Peer, Realm } from './peer.ts';
import type { AnyCase } from './peer-case.ts';
import { startTessera } from './tessera.ts';
import { startTfjs } from './tfjs.ts';
import { startTransformers } from './transformersjs.ts';

/** Where an engine can run. */
export type RealmKind = 'node' | 'page';

export interface PeerEntry {
  /** The preferred one first. */
  readonly realms: readonly RealmKind[];
  /** Whether it has whole models too, or nothing else. */
  readonly models?: 'too' | 'only';
  start(realm: Realm): Promise<Peer>;
}

/** Every engine by the name that reports give it, this one first. */
export const PEERS: Readonly<Record<string, PeerEntry>> = {
  [OURS]: { realms: ['node', 'page'], models: 'too', start: startTessera },
  'onnxruntime-node': { realms: ['node'], start: startOnnxruntimeNode },
  'onnxruntime-web': { realms: ['page', 'node'], start: startOnnxruntimeWeb },
  'jax-js': { realms: ['node', 'page'], start: startJax },
  tfjs: { realms: ['node', 'page'], start: startTfjs },
  'transformers.js': { realms: ['node'], models: 'only', start: startTransformers },
};

/** Whether an engine is asked the case at all: whole models of those that have them, ops of the others. */
export const serves = (name: string, one: AnyCase): boolean =>
  isModelCase(one) ? PEERS[name]?.models !== undefined : PEERS[name]?.models !== 'only';
