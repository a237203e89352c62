import { type Candidate, candidateLabel, candidatesDigest } from '../compile/choose.ts';
import { kernelCandidates } from '../compile/compile.ts';
import type { IrNode } from '../compile/ir.ts';
import type { TunedKernel } from '../core/caps.ts';
import type { Device } from '../device/gpu-device.ts';
import { type CandidateRun, callBuffers, prepareCandidate } from './candidate-run.ts';

/** What was measured of one call. */
export interface TunedCall {
  /** As `callSignature` gives it. */
  readonly signature: string;
  readonly op: string;
  /** `x f32 [197, 768], weight f32 [768, 768]`. */
  readonly types: string;
  /** What the cost model takes, and what it costs. */
  readonly untuned: { readonly label: string; readonly ms: number };
  readonly tuned: TunedKernel;
  /** All that were measured, the fastest first. */
  readonly measured: readonly { readonly label: string; readonly ms: number }[];
}

export interface TuneOptions {
  /** Before every call: how many are done, and which comes. */
  readonly onProgress?: ((done: number, total: number, op: string) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** The cost model is trusted that far: what it holds for slower by more is not measured. */
const MOST_TIMES_SLOWER = 8;
const MOST_CANDIDATES = 6;
const ROUNDS = 7;
/** After two rounds, what takes that many times the fastest is left out. */
const HOPELESS = 2;
/** Less is noise: the cost model's choice stays, so that a second run comes to the same. */
const WORTHWHILE = 0.9;
/** A run is repeated in one pass until waiting for it counts little. */
const LEAST_RUN_MS = 3;
const MOST_REPEATS = 64;

/**
 * Measures the candidates of each call that has a choice, on tensors of zeros, by wall time in turns: the fastest of a
 * few rounds counts, since noise only slows. Calls of one candidate are left out. Throws AbortError, DeviceError.
 */
export async function tuneCalls(
  device: Device,
  calls: ReadonlyMap<string, IrNode>,
  { onProgress, signal }: TuneOptions = {},
): Promise<readonly TunedCall[]> {
  const caps = { ...device.caps, tuned: undefined };
  const open = [...calls]
    .map(([signature, node]) => ({ signature, node, candidates: kernelCandidates(node, caps).candidates }))
    .filter(({ candidates }) => candidates.length > 1);
  const tuned: TunedCall[] = [];
  for (const [done, { signature, node, candidates }] of open.entries()) {
    signal?.throwIfAborted();
    onProgress?.(done, open.length, node.op.name);
    const measured = await measureCandidates(device, node, shortList(candidates), signal);
    const [fastest, untuned] = [measured[0], measured.find(({ candidate }) => candidate === candidates[0])];
    if (!fastest || !untuned) continue;
    const best = fastest.ms < WORTHWHILE * untuned.ms ? fastest : untuned;
    tuned.push({
      signature,
      op: node.op.name,
      types: typesOf(node),
      untuned: { label: candidateLabel(untuned.candidate), ms: untuned.ms },
      tuned: {
        label: candidateLabel(best.candidate),
        ms: best.ms,
        digest: candidatesDigest(candidates),
      },
      measured: measured.map(({ candidate, ms }) => ({ label: candidateLabel(candidate), ms })),
    });
  }
  return tuned;
}

/** The best of every kernel first, then the best of the rest, as far as the estimates promise anything. */
function shortList(candidates: readonly Candidate[]): readonly Candidate[] {
  const limitMs = MOST_TIMES_SLOWER * (candidates[0]?.estimateMs ?? 0);
  const likely = candidates.filter(({ estimateMs }) => estimateMs <= limitMs);
  const first = likely.filter((one, i) => likely.findIndex(({ kernel }) => kernel === one.kernel) === i);
  return [...first, ...likely.filter((one) => !first.includes(one))].slice(0, MOST_CANDIDATES);
}

interface Measured {
  readonly candidate: Candidate;
  readonly ms: number;
}

async function measureCandidates(
  device: Device,
  node: IrNode,
  candidates: readonly Candidate[],
  signal: AbortSignal | undefined,
): Promise<readonly Measured[]> {
  const buffers = callBuffers(device, node);
  try {
    let running: { candidate: Candidate; run: CandidateRun; repeats: number; ms: number }[] = [];
    for (const candidate of candidates) {
      signal?.throwIfAborted();
      const run = await prepareCandidate(device, candidate, buffers);
      // The first run compiles, on some drivers.
      await run.time(1);
      const repeats = Math.ceil(LEAST_RUN_MS / Math.max(await run.time(1), LEAST_RUN_MS / MOST_REPEATS));
      running.push({ candidate, run, repeats, ms: Number.POSITIVE_INFINITY });
    }
    const dropped: typeof running = [];
    for (let round = 0; round < ROUNDS; round++) {
      signal?.throwIfAborted();
      for (const one of running) one.ms = Math.min(one.ms, await one.run.time(one.repeats));
      if (round !== 1) continue;
      const limitMs = HOPELESS * Math.min(...running.map(({ ms }) => ms));
      // The first is what the cost model takes: its time is reported.
      dropped.push(...running.filter(({ candidate, ms }) => ms > limitMs && candidate !== candidates[0]));
      running = running.filter((one) => !dropped.includes(one));
    }
    for (const { run } of [...running, ...dropped]) run.dispose();
    return [...running, ...dropped].sort((a, b) => a.ms - b.ms);
  } finally {
    for (const buffer of buffers.values()) device.destroyBuffer(buffer);
  }
}

const typesOf = ({ inputs }: IrNode): string =>
  Object.entries(inputs)
    .map(([name, { dtype, shape }]) => `${name} ${dtype} [${shape.join(', ')}]`)
    .join(', ');
