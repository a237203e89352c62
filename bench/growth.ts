import { formatTable } from '../src/cli/table.ts';
import { bandwidthFor } from './bound.ts';
import type { Limits } from './limits.ts';
import type { BenchRow } from './report.ts';
import { formatNumber, formatPercent } from './statistics.ts';

/** How the time of one op grows with the tokens in its cache. */
export interface CacheGrowth {
  readonly op: string;
  readonly dtype: string;
  /** Of the shortest and longest cache that was timed. */
  readonly tokens: readonly [least: number, most: number];
  /** The line through the medians: ms = emptyMs + msPerToken * tokens. */
  readonly emptyMs: number;
  readonly msPerToken: number;
  /** What it takes to read a token's keys and values once, at the measured bandwidth over a cache of the longest. */
  readonly readMsPerToken: number;
  /** Largest distance of a median from the line, over the median. */
  readonly deviation: number;
}

/** Fewer caches than this make no line. */
const LEAST_POINTS = 3;

/** One for each op and dtype with rows over several caches, which have shapes like `past=1024`. */
export function cacheGrowth(
  rows: readonly BenchRow[],
  limits: Pick<Limits, 'read' | 'copy'>,
): readonly CacheGrowth[] {
  const series = new Map<string, BenchRow[]>();
  for (const row of rows) {
    if (!/^past=\d+$/.test(row.shape)) continue;
    const key = `${row.op} ${row.dtype}`;
    series.set(key, [...(series.get(key) ?? []), row]);
  }
  return [...series.values()].flatMap((of) => {
    const [first] = of;
    if (!first || of.length < LEAST_POINTS) return [];
    const points = of
      .map(({ shape, ms, gbps }) => ({
        tokens: Number(shape.slice('past='.length)),
        ms,
        bytes: gbps * ms * 1e6,
      }))
      .sort((a, b) => a.tokens - b.tokens);
    const times = lineThrough(points.map(({ tokens, ms }) => ({ x: tokens, y: ms })));
    const bytes = lineThrough(points.map((point) => ({ x: point.tokens, y: point.bytes })));
    const tokens = points.map((point) => point.tokens);
    const most = Math.max(...tokens);
    return {
      op: first.op,
      dtype: first.dtype,
      tokens: [Math.min(...tokens), most] as const,
      emptyMs: times.start,
      msPerToken: times.slope,
      readMsPerToken: bytes.slope / (bandwidthFor(bytes.slope * most, limits) * 1e6),
      deviation: Math.max(
        ...points.map(({ tokens: x, ms }) => Math.abs(times.start + times.slope * x - ms) / ms),
      ),
    };
  });
}

/** The line with the least squared errors relative to y: times over many sizes are off by shares, not by milliseconds. */
export function lineThrough(points: readonly { readonly x: number; readonly y: number }[]): {
  readonly start: number;
  readonly slope: number;
} {
  const sum = (of: (point: { readonly x: number; readonly y: number }) => number): number =>
    points.reduce((total, point) => total + of(point), 0);
  const weight = sum(({ y }) => 1 / y ** 2);
  const meanX = sum(({ x, y }) => x / y ** 2) / weight;
  const meanY = sum(({ y }) => 1 / y) / weight;
  const slope =
    sum(({ x, y }) => ((x - meanX) * (y - meanY)) / y ** 2) / sum(({ x, y }) => (x - meanX) ** 2 / y ** 2);
  return { start: meanY - slope * meanX, slope };
}

const HEADER =
  'grows with the cache,dtype,tokens,ms at none,µs a token,reading it once,ratio,off the line'.split(',');

export function formatGrowth(growth: readonly CacheGrowth[]): string[] {
  if (growth.length === 0) return [];
  const cells = growth.map((one) => [
    one.op,
    one.dtype,
    one.tokens.join(' to '),
    formatNumber(one.emptyMs),
    formatNumber(1000 * one.msPerToken),
    formatNumber(1000 * one.readMsPerToken),
    formatNumber(one.msPerToken / one.readMsPerToken),
    formatPercent(one.deviation),
  ]);
  const numbers = Array.from({ length: 5 }, () => 'right' as const);
  return formatTable([HEADER, ...cells], ['left', 'left', 'left', ...numbers]);
}
