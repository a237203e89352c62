import { isModelCase } from './model-case.ts';
import type { OpenPeerCase, Peer, PeerReply, PeerRequest, PeerSample, PeerTime } from './peer.ts';
import type { AnyCase } from './peer-case.ts';

/** Processor time of this process so far; a page can't tell. */
function cpuMs(): number | null {
  if (typeof process === 'undefined') return null;
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

async function timed(run: () => Promise<void>): Promise<PeerTime> {
  const before = cpuMs();
  const startedMs = performance.now();
  await run();
  const ms = performance.now() - startedMs;
  const after = cpuMs();
  return { ms, cpuMs: before === null || after === null ? null : after - before };
}

const variantsOf = (peer: Peer, one: AnyCase): number =>
  isModelCase(one) ? (peer.models?.variants(one) ?? 0) : peer.variants(one);

function openCase(peer: Peer, one: AnyCase, variant: number): Promise<OpenPeerCase> {
  if (!isModelCase(one)) return peer.open(one, variant);
  if (!peer.models) throw new Error('it has no whole models');
  return peer.models.open(one, variant);
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
        return variantsOf(peer, request.one);
      case 'open':
        close();
        open = await openCase(peer, request.one, request.variant);
        return open.read();
      case 'sample': {
        const prepared = await timed(async () => open?.prepare?.());
        return { ...(await timed(async () => open?.run())), prepared };
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
