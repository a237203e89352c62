import type { OpenPeerCase, Peer, PeerReply, PeerRequest, PeerSample } from './peer.ts';

/** Processor time of this process so far; a page can't tell. */
function cpuMs(): number | null {
  if (typeof process === 'undefined') return null;
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** Answers requests in the realm of `peer`, one after another. Whatever is thrown becomes a reason. */
export function servePeer(peer: Peer): (request: PeerRequest) => Promise<PeerReply> {
  let open: OpenPeerCase | undefined;
  const close = (): void => {
    open?.dispose();
    open = undefined;
  };
  const answer = async (request: PeerRequest): Promise<number | Float32Array | PeerSample> => {
    switch (request.kind) {
      case 'variants':
        return peer.variants(request.one);
      case 'open':
        close();
        open = await peer.open(request.one, request.variant);
        return open.read();
      case 'sample': {
        const before = cpuMs();
        const startedMs = performance.now();
        await open?.run();
        const ms = performance.now() - startedMs;
        const after = cpuMs();
        return { ms, cpuMs: before === null || after === null ? null : after - before };
      }
      default:
        close();
        return 0;
    }
  };
  return async (request) => {
    try {
      return { ok: true, value: await answer(request) };
    } catch (error) {
      return { ok: false, reason: error instanceof Error ? error.message : String(error) };
    }
  };
}
