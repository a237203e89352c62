import { formatTable } from '../../src/cli/table.ts';
import { type BoundBy, boundOf } from '../bound.ts';
import type { Environment } from '../environment.ts';
import type { Limits } from '../limits.ts';
import { formatNumber, formatPercent, type Spread } from '../statistics.ts';
import type { MeasuredPeers } from './measure-peers.ts';
import { isModelCase } from './model-case.ts';
import { OURS, TORCH } from './names.ts';
import { type AnyCase, type PeerOp, shapeName } from './peer-case.ts';
import { morePeerCases } from './peer-cases.ts';

/** Times of one op in ms, or why there are none. */
export type PeerTiming =
  | (Spread & {
      readonly samples: number;
      /** Median processor time over all threads; null where the engine's process can't tell. */
      readonly cpuMs: number | null;
    })
  | { readonly reason: string };

/** What `--peers --json` writes. */
export interface PeerReport extends Environment {
  /** ISO 8601. */
  readonly measuredAt: string;
  /** Versions of the engines, and where each ran. */
  readonly versions: Readonly<Record<string, string>>;
  readonly limits: Limits;
  readonly rows: readonly PeerRow[];
  /** Geometric mean over the rows that count of the best peer's time over ours; null where no row has both. */
  readonly geomeanVsBestPeer: number | null;
  readonly minVsBestPeer: number | null;
  /** Cases that there was no time for. */
  readonly leftOut: readonly string[];
}

export interface PeerRow {
  readonly op: string;
  readonly shape: string;
  readonly dtype: string;
  /** Median of ours, in ms; null where it failed. */
  readonly ms: number | null;
  /** Median of each peer, in ms; null where it has none. */
  readonly peers: Readonly<Record<string, number | null>>;
  readonly bestPeer: string | null;
  /** The best peer's time over ours: above 1 we are faster. */
  readonly vsBestPeer: number | null;
  /** Whether the row is one of those that the sums are taken over. */
  readonly counts: boolean;
  /** torch's time on the CPU over ours, of training. */
  readonly vsTorch: number | null;
  /** The same of processor time: what to look at where the adapter is a CPU that has other work. */
  readonly cpuVsBestPeer: number | null;
  /** How many tokens of a whole model the time is of; null of ops. */
  readonly tokens: number | null;
  readonly gflops: number | null;
  readonly gbps: number | null;
  /** Least time by the measured limits over `ms`. */
  readonly fraction: number | null;
  readonly boundBy: BoundBy;
  /** Spread and samples, or the reason, of every engine. */
  readonly timings: Readonly<Record<string, PeerTiming>>;
}

/** Rows outside the sums. */
const more: readonly AnyCase[] = morePeerCases;

/** What the sums are taken over: the ops that inference consists of. */
const COUNTED: readonly string[] = [
  ...(['matmul', 'matvec', 'attention', 'softmax', 'layernorm'] as const),
  ...(['vit block', 'decoder step'] as const),
] satisfies readonly PeerOp['op'][];

export function peerRow({ one, timings, costs }: MeasuredPeers, limits: Limits): PeerRow {
  const median = (name: string): number | null => {
    const timing = timings[name];
    return timing && 'median' in timing ? timing.median : null;
  };
  const cpu = (name: string): number | null => {
    const timing = timings[name];
    return timing && 'median' in timing ? timing.cpuMs : null;
  };
  const names = Object.keys(timings).filter((name) => name !== OURS);
  const ms = median(OURS);
  const peers = Object.fromEntries(names.map((name) => [name, median(name)]));
  const rivals = names.filter((name) => name !== TORCH);
  const best = leastOf(rivals, median);
  const flops = costs.reduce((sum, cost) => sum + cost.flops, 0);
  const bytes = costs.reduce((sum, cost) => sum + cost.bytesRead + cost.bytesWritten, 0);
  const bound = boundOf(costs, limits);
  return {
    op: one.op,
    shape: shapeName(one),
    dtype: one.dtype,
    ms,
    peers,
    bestPeer: best?.name ?? null,
    vsBestPeer: ratioOf(best?.ms, ms),
    counts: COUNTED.includes(one.op) && !more.includes(one),
    vsTorch: ratioOf(median(TORCH) ?? undefined, ms),
    cpuVsBestPeer: ratioOf(leastOf(rivals, cpu)?.ms, cpu(OURS)),
    tokens: tokensOf(one),
    gflops: ms === null ? null : flops / (ms * 1e6),
    gbps: ms === null ? null : bytes / (ms * 1e6),
    fraction: ms === null ? null : bound.ms / ms,
    boundBy: bound.by,
    timings,
  };
}

const tokensOf = (one: AnyCase): number | null =>
  isModelCase(one) ? (one.op === 'model prefill' ? one.promptTokens : 1) : null;

/** The name with the least time, of those that have one. */
function leastOf(
  names: readonly string[],
  timeOf: (name: string) => number | null,
): { readonly name: string; readonly ms: number } | undefined {
  return names
    .flatMap((name) => {
      const ms = timeOf(name);
      return ms === null ? [] : [{ name, ms }];
    })
    .sort((a, b) => a.ms - b.ms)[0];
}

const ratioOf = (peer: number | undefined, ours: number | null): number | null =>
  peer === undefined || !ours ? null : peer / ours;

/** Mean of ratios: twice as fast and twice as slow cancel out. Null for none. */
export function geometricMean(ratios: readonly number[]): number | null {
  if (ratios.length === 0) return null;
  return Math.exp(ratios.reduce((sum, ratio) => sum + Math.log(ratio), 0) / ratios.length);
}

/** The two numbers that stand for all rows. */
export function summarize(
  rows: readonly Pick<PeerRow, 'vsBestPeer' | 'counts'>[],
): Pick<PeerReport, 'geomeanVsBestPeer' | 'minVsBestPeer'> {
  const counted = rows.filter(({ counts }) => counts);
  const ratios = counted.map(({ vsBestPeer }) => vsBestPeer).filter((ratio) => ratio !== null);
  return {
    geomeanVsBestPeer: geometricMean(ratios),
    minVsBestPeer: ratios.length === 0 ? null : Math.min(...ratios),
  };
}

const cell = (value: number | null): string => (value === null ? '-' : formatNumber(value));

/** The peers that have a time in any row. */
export function timedPeers(rows: readonly Pick<PeerRow, 'peers'>[]): readonly string[] {
  const all = new Set(rows.flatMap(({ peers }) => Object.keys(peers)));
  return [...all].filter((name) => rows.some(({ peers }) => (peers[name] ?? null) !== null));
}

/** Medians in ms side by side, then what could not be timed and why, then the sums. */
export const formatPeers = (report: PeerReport): string[] => [
  ...formatPeerTable(report),
  '',
  ...formatPeerNotes(report),
];

export function formatPeerTable(report: PeerReport): string[] {
  const names = timedPeers(report.rows);
  const header = ['op', 'shape', 'dtype', OURS, ...names, 'vs best', 'by CPU time', 'of limit', ''];
  const cells = report.rows.map((row) => [
    row.op,
    row.shape,
    row.dtype,
    cell(row.ms),
    ...names.map((name) => cell(row.peers[name] ?? null)),
    ...[row.vsBestPeer, row.cpuVsBestPeer].map((ratio) => (ratio === null ? '-' : `${formatNumber(ratio)}x`)),
    row.fraction === null ? '-' : formatPercent(row.fraction),
    row.boundBy,
  ]);
  const numbers = Array.from({ length: names.length + 4 }, () => 'right' as const);
  return formatTable([header, ...cells], ['left', 'left', 'left', ...numbers]);
}

/** Where each engine ran, what could not be timed and why, and the sums. */
export function formatPeerNotes(report: PeerReport): string[] {
  const versions = Object.entries(report.versions).map(([name, version]) => `${name}: ${version}`);
  return [
    ...versions,
    ...formatReasons(report),
    ...formatTorch(report),
    ...formatModels(report),
    ...formatSums(report),
  ];
}

/** What torch can't do but training needs no telling. */
const isExpected = (name: string, op: string): boolean => name === TORCH && op !== 'train step';

function formatReasons({ rows, leftOut }: PeerReport): string[] {
  const reasons = new Map<string, string[]>();
  for (const { op, shape, dtype, timings } of rows) {
    for (const [name, timing] of Object.entries(timings)) {
      if (!('reason' in timing) || isExpected(name, op)) continue;
      const key = `${name}: ${timing.reason}`;
      reasons.set(key, [...(reasons.get(key) ?? []), `${op} ${shape} ${dtype}`]);
    }
  }
  const lines = [...reasons].map(([reason, cases]) => `${reason} (${cases.join(', ')})`);
  return leftOut.length === 0 ? lines : [...lines, `left out for want of time: ${leftOut.join(', ')}`];
}

const formatTorch = ({ rows }: PeerReport): string[] =>
  rows.flatMap(({ op, shape, dtype, vsTorch }) =>
    typeof vsTorch !== 'number'
      ? []
      : [`${op} ${shape} ${dtype}: ${formatNumber(vsTorch)}x the speed of ${TORCH}`],
  );

const formatModels = ({ rows }: PeerReport): string[] =>
  rows.flatMap(({ op, shape, dtype, tokens, ms, peers }) => {
    if (typeof tokens !== 'number') return [];
    const speeds = Object.entries({ [OURS]: ms, ...peers }).flatMap(([name, time]) =>
      time === null ? [] : [`${name} ${formatNumber((1000 * tokens) / time)}`],
    );
    return [`${op} ${shape} ${dtype}, tokens/s: ${speeds.join(', ')}`];
  });

const formatSums = ({ geomeanVsBestPeer, minVsBestPeer }: PeerReport): string[] =>
  geomeanVsBestPeer === null
    ? ['no row of the sums has a peer to compare with']
    : [
        `against the best peer of each row: ${formatNumber(geomeanVsBestPeer)}x in geometric mean, ` +
          `${cell(minVsBestPeer)}x at least`,
      ];
