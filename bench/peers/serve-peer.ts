import type { OpenPeerCase, Peer, PeerReply, PeerRequest } from './peer.ts';

/** Answers requests in the realm of `peer`, one after another. Whatever is thrown becomes a reason. */
export function servePeer(peer: Peer): (request: PeerRequest) => Promise<PeerReply> {
  let open: OpenPeerCase | undefined;
  const close = (): void => {
    open?.dispose();
    open = undefined;
  };
  const answer = async (request: PeerRequest): Promise<number | Float32Array> => {
    switch (request.kind) {
      case 'variants':
        return peer.variants(request.one);
      case 'open':
        close();
        open = await peer.open(request.one, request.variant);
        return open.read();
      case 'sample': {
        const startedMs = performance.now();
        await open?.run();
        return performance.now() - startedMs;
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
