import { peerVersion } from './install.ts';
import { OURS, TORCH } from './names.ts';
import { nodeHost } from './node-realm.ts';
import type { PeerBrowser } from './page-realm.ts';
import type { PeerHost } from './peer-host.ts';
import { PEERS, type RealmKind } from './peers.ts';
import { torchHost } from './torch.ts';

/** An engine and where it runs. */
export interface Engine {
  readonly host: PeerHost;
  /** `Node v20.20.2`, or the browser. */
  readonly realm: string;
}

/** Where a peer's package has another name. */
const PACKAGE_OF: Readonly<Record<string, string>> = {
  'jax-js': '@jax-js/jax',
  'transformers.js': '@huggingface/transformers',
  tfjs: '@tensorflow/tfjs-backend-webgpu',
};

/**
 * All engines, each in Node except those that are made for pages alone, which get the browser where there is one; with
 * `inBrowser` all that can, this one too.
 */
export function openEngines(
  inBrowser: boolean,
  folder: string,
  adapter: string,
  browser: PeerBrowser | undefined,
  limitMs: () => number,
): readonly Engine[] {
  const engines = Object.entries(PEERS).flatMap(([name, { realms }]): readonly Engine[] => {
    const can = (realm: RealmKind): boolean => realms.includes(realm);
    if (browser && can('page') && (inBrowser || realms[0] === 'page'))
      return [{ host: browser.host(name, limitMs), realm: browser.name }];
    if (inBrowser || !can('node')) return [];
    return [{ host: nodeHost(name, folder, adapter, limitMs), realm: `Node ${process.version}` }];
  });
  return [...engines, { host: torchHost(TORCH, limitMs), realm: 'Python' }];
}

/** Version and realm of each peer. */
export const versionsOf = (engines: readonly Engine[]): Readonly<Record<string, string>> =>
  Object.fromEntries(
    engines.map(({ host: { name }, realm }) => [
      name,
      name === OURS || name === TORCH ? realm : `${peerVersion(PACKAGE_OF[name] ?? name)} in ${realm}`,
    ]),
  );
