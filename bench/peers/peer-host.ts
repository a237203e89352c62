import type { PeerReply, PeerRequest, PeerSample } from './peer.ts';
import type { AnyCase } from './peer-case.ts';

/** An engine seen from the parent. Every call rejects with the reason where the engine fails, or takes too long. */
export interface PeerHost {
  readonly name: string;
  variants(one: AnyCase): Promise<number>;
  /** Gives the whole result. */
  open(one: AnyCase, variant: number): Promise<Float32Array>;
  sample(): Promise<PeerSample>;
  close(one: AnyCase): Promise<void>;
  dispose(): Promise<void>;
}

/** A running realm that answers requests. */
export interface PeerLine {
  ask(request: PeerRequest): Promise<PeerReply>;
  end(): Promise<void>;
}

/**
 * A host over lines, which `connect` opens when they are needed and again after one was cut for being late, that is
 * `limitMs()` after it was asked; at 0 nothing is asked any more. By default that is longer than anything here compiles.
 */
export function peerHost(
  name: string,
  connect: () => Promise<PeerLine>,
  limitMs: () => number = () => 150_000,
): PeerHost {
  let line: PeerLine | undefined;
  const ask = async (request: PeerRequest): Promise<number | Float32Array | PeerSample> => {
    const most = limitMs();
    if (most <= 0) throw new Error('the run had no time left');
    line ??= await connect();
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<PeerReply>((resolve) => {
      timer = setTimeout(
        () => resolve({ ok: false, reason: `took over ${Math.round(most / 1000)} s` }),
        most,
      );
    });
    const ended = line;
    const reply = await Promise.race([line.ask(request), late]).finally(() => clearTimeout(timer));
    if (reply.ok) return reply.value;
    // What failed may have left anything behind: the next case gets a new one.
    line = undefined;
    await ended.end();
    throw new Error(reply.reason.split('\n')[0]?.slice(0, 300));
  };
  return {
    name,
    variants: async (one) => Number(await ask({ kind: 'variants', one })),
    open: async (one, variant) =>
      Float32Array.from((await ask({ kind: 'open', one, variant })) as Float32Array),
    sample: async () => (await ask({ kind: 'sample' })) as PeerSample,
    close: async (one) => void (await ask({ kind: 'dispose', one })),
    dispose: async () => line?.end(),
  };
}
