import { startJax } from './jax.ts';
import { OURS } from './names.ts';
import { startOnnxruntimeNode, startOnnxruntimeWeb } from './onnxruntime.ts';
import type { Peer, Realm } from './peer.ts';
import { startTessera } from './tessera.ts';
import { startTfjs } from './tfjs.ts';

/** Where an engine can run. */
export type RealmKind = 'node' | 'page';

export interface PeerEntry {
  /** The preferred one first. */
  readonly realms: readonly RealmKind[];
  start(realm: Realm): Promise<Peer>;
}

/** Every engine by the name that reports give it, this one first. */
export const PEERS: Readonly<Record<string, PeerEntry>> = {
  [OURS]: { realms: ['node', 'page'], start: startTessera },
  'onnxruntime-node': { realms: ['node'], start: startOnnxruntimeNode },
  'onnxruntime-web': { realms: ['page', 'node'], start: startOnnxruntimeWeb },
  'jax-js': { realms: ['node', 'page'], start: startJax },
  tfjs: { realms: ['node', 'page'], start: startTfjs },
};
