import type { Device } from '../../src/device/gpu-device.ts';
import { readEnvironment } from '../environment.ts';
import { bestLimits, measureLimits } from '../limits.ts';
import { type MeasuredPeers, measurePeers, type PeerOptions } from './measure-peers.ts';
import { type AnyCase, peerCaseName } from './peer-case.ts';
import type { PeerHost } from './peer-host.ts';
import { type PeerReport, peerRow, summarize } from './peer-report.ts';
import { serves } from './peers.ts';

export interface PeerRun extends Omit<PeerOptions, 'expected'> {
  /** Gives right results. */
  readonly reference: PeerHost;
  readonly cases: readonly AnyCase[];
  readonly hosts: readonly PeerHost[];
  readonly versions: Readonly<Record<string, string>>;
  readonly clock: RunClock;
}

/** What time there is; all in ms. */
export interface RunClock {
  /** Until no case begins any more. */
  leftForCases(): number;
  /** What an engine may take for what it is asked now; from 0 on it isn't asked. */
  leftForRequest(): number;
  leftForReference(): number;
}

/** Seconds until no case begins any more, until no engine is asked any more, and that an engine may take for one request. */
export interface RunSeconds {
  readonly forCases: number;
  readonly forAll: number;
  readonly forRequest: number;
}

/** A clock that starts now. */
export function startClock({ forCases, forAll, forRequest }: RunSeconds): RunClock {
  const startedMs = performance.now();
  const left = (seconds: number): number => startedMs + seconds * 1000 - performance.now();
  return {
    leftForCases: () => left(forCases),
    leftForReference: () => left(forAll),
    leftForRequest: () => Math.min(1000 * forRequest, left(forAll)),
  };
}

/** Limits, every case in every engine, and the limits again where there is time left. Ends the engines. */
export async function runPeers(
  device: Device,
  run: PeerRun,
  onProgress: (what: string) => void,
): Promise<PeerReport> {
  const environment = readEnvironment(device);
  const before = await measureLimits(device, onProgress);
  const measured: MeasuredPeers[] = [];
  const leftOut: string[] = [];
  const expected = (one: AnyCase): Promise<Float32Array> => run.reference.open(one, 0);
  try {
    for (const [i, one] of run.cases.entries()) {
      if (run.clock.leftForCases() < 0) {
        leftOut.push(peerCaseName(one));
        continue;
      }
      const show = (what: string): void => onProgress(`${i + 1} of ${run.cases.length}: ${what}`);
      const hosts = run.hosts.filter(({ name }) => serves(name, one));
      measured.push(...(await measurePeers(device, one, hosts, { ...run, expected }, show)));
    }
  } finally {
    await Promise.all([...run.hosts, run.reference].map((host) => host.dispose()));
  }
  const limits =
    run.clock.leftForCases() > 0 ? bestLimits(before, await measureLimits(device, onProgress)) : before;
  const rows = measured.map((one) => peerRow(one, limits));
  return {
    ...environment,
    measuredAt: new Date().toISOString(),
    versions: run.versions,
    limits,
    rows,
    ...summarize(rows),
    leftOut,
  };
}
