import type { LoadPackage, PeerReply, PeerRequest } from './peer.ts';
import { PEERS } from './peers.ts';
import { servePeer } from './serve-peer.ts';

/** An engine in this page, as what answers requests. Packages lie under `/packages`. */
export async function startInPage(
  name: string,
  load: LoadPackage,
): Promise<(request: PeerRequest) => Promise<PeerReply>> {
  const entry = PEERS[name];
  if (!entry) throw new Error(`there is no peer "${name}"`);
  const fileUrl = (file: string): string => new URL(`/packages/${file}`, location.href).href;
  return servePeer(await entry.start({ load, adapter: undefined, fileUrl }));
}
