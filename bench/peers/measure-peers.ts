import { compileTraining } from '../../src/compile/compile.ts';
import type { Device } from '../../src/device/gpu-device.ts';
import type { Cost } from '../../src/kernels/kernel.ts';
import { quantile, spreadOf } from '../statistics.ts';
import { isModelCase, prefillOf } from './model-case.ts';
import { modelGraph } from './model-checkpoint.ts';
import type { PeerSample, PeerTime } from './peer.ts';
import { type AnyCase, peerCaseName } from './peer-case.ts';
import type { PeerHost } from './peer-host.ts';
import type { PeerTiming } from './peer-report.ts';
import { whyWrong } from './result-check.ts';
import { graphOf } from './tessera.ts';

/** A case with what became of it in every engine. */
export interface MeasuredPeers {
  readonly one: AnyCase;
  readonly timings: Readonly<Record<string, PeerTiming>>;
  /** Dispatches of this engine. */
  readonly costs: readonly Cost[];
}

export interface PeerOptions {
  /** The right result; it must not hold up this process, whose engines would be taken to be late. */
  readonly expected: (one: AnyCase) => Promise<ArrayLike<number>>;
  /** Time for the rounds of a case. */
  readonly secondsPerCase: number;
  readonly leastRounds: number;
  readonly mostRounds: number;
}

/** A round of a whole model may take minutes, and the answer that was checked has warmed up all that it runs. */
const MODEL_ROUNDS = { firstRound: 1, leastRounds: 1, secondsPerCase: 40 } as const;

/**
 * One case in all engines. Each computes the whole result first, which is compared with a reference in f64; those that have
 * it right are then sampled in turn, round after round, so that whatever slows the machine slows all of them. Of a whole
 * model it gives two, its prefill first.
 */
export async function measurePeers(
  device: Device,
  one: AnyCase,
  hosts: readonly PeerHost[],
  { expected, ...options }: PeerOptions,
  onProgress: (what: string) => void,
): Promise<readonly MeasuredPeers[]> {
  const name = peerCaseName(one);
  onProgress(`${name}: results`);
  const failed: Record<string, PeerTiming> = {};
  const samples = new Map<PeerHost, PeerSample[]>();
  // All at once, which is not timed.
  const reference = expected(one);
  reference.catch(() => undefined);
  const reasons = await Promise.all(hosts.map((host) => openRight(host, one, reference)));
  hosts.forEach((host, i) => {
    const reason = reasons[i];
    if (reason === undefined) samples.set(host, []);
    else failed[host.name] = { reason };
  });
  await sampleInTurn(
    samples,
    isModelCase(one) ? { ...options, ...MODEL_ROUNDS } : { ...options, firstRound: 0 },
    (host, error) => {
      failed[host.name] = { reason: error.message };
    },
    (round) => onProgress(`${name}: round ${round}`),
  );
  for (const host of samples.keys()) await host.close(one).catch(() => undefined);
  const part = async (row: AnyCase, timeOf: (sample: PeerSample) => PeerTime): Promise<MeasuredPeers> => {
    const timings = { ...failed };
    for (const [host, taken] of samples)
      if (taken.length > 0) timings[host.name] = timingOf(taken.map(timeOf), row.reps);
    return { one: row, timings, costs: await costsOf(row, device) };
  };
  const whole = await part(one, (sample) => sample);
  return isModelCase(one) ? [await part(prefillOf(one), ({ prepared }) => prepared), whole] : [whole];
}

async function costsOf(one: AnyCase, device: Device): Promise<readonly Cost[]> {
  const graph = await (isModelCase(one) ? modelGraph(one) : graphOf(one));
  return compileTraining(graph, device.caps).dispatches.map(({ cost }) => cost);
}

function timingOf(samples: readonly PeerTime[], reps: number): PeerTiming {
  const cpu = samples.map(({ cpuMs }) => cpuMs).filter((ms) => ms !== null);
  return {
    ...spreadOf(samples.map(({ ms }) => ms / reps)),
    samples: samples.length,
    cpuMs: cpu.length === 0 ? null : quantile(cpu, 0.5) / reps,
  };
}

/** Opens the first way of the engine that gives the right result; otherwise says why there is none. */
async function openRight(
  host: PeerHost,
  one: AnyCase,
  reference: Promise<ArrayLike<number>>,
): Promise<string | undefined> {
  let reason = `has no ${one.dtype} ${one.op}`;
  try {
    const variants = await host.variants(one);
    for (let variant = 0; variant < variants; variant++) {
      const wrong = await host.open(one, variant).then(
        async (result) => whyWrong(one, result, await reference),
        (error: Error) => error.message,
      );
      if (wrong === undefined) return undefined;
      reason = variant === 0 ? wrong : `${reason}; of plain ops: ${wrong}`;
    }
  } catch (error) {
    return (error as Error).message;
  }
  return reason;
}

async function sampleInTurn(
  samples: Map<PeerHost, PeerSample[]>,
  {
    secondsPerCase,
    leastRounds,
    mostRounds,
    firstRound,
  }: Omit<PeerOptions, 'expected'> & { readonly firstRound: 0 | 1 },
  onFailure: (host: PeerHost, error: Error) => void,
  onRound: (round: number) => void,
): Promise<void> {
  const endMs = performance.now() + secondsPerCase * 1000;
  // Round 0 warms up: drivers compile at a first run.
  for (let round: number = firstRound; round <= mostRounds; round++) {
    if (round > leastRounds && performance.now() > endMs) return;
    onRound(round);
    // Another order each time: what runs after a slow one may find other caches.
    const turn = [...samples.keys()];
    for (const host of round % 2 === 0 ? turn : turn.reverse()) {
      try {
        const sample = await host.sample();
        if (round > 0) samples.get(host)?.push(sample);
      } catch (error) {
        onFailure(host, error as Error);
        samples.delete(host);
      }
    }
  }
}
