import { formatTable } from '../src/cli/table.ts';
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
  /** What a loop that does nothing else takes to read a token's keys and values once, timed in turn with the op. */
  readonly readMsPerToken: number;
  /** Largest distance of a median from the line, over the median. */
  readonly deviation: number;
}

/** One cache of a series: its tokens, the median time of the op, and the bytes the op moves. */
export interface CachePoint {
  readonly tokens: number;
  readonly ms: number;
  readonly bytes: number;
}

/** `points` by their tokens, ascending. */
export function cacheGrowth(
  { op, dtype }: Pick<CacheGrowth, 'op' | 'dtype'>,
  points: readonly CachePoint[],
  readMsPerByte: number,
): CacheGrowth {
  const { start, slope } = lineThrough(points.map(({ tokens, ms }) => ({ x: tokens, y: ms })));
  return {
    op,
    dtype,
    tokens: [points.at(0)?.tokens ?? 0, points.at(-1)?.tokens ?? 0],
    emptyMs: start,
    msPerToken: slope,
    readMsPerToken: bytesPerToken(points) * readMsPerByte,
    deviation: Math.max(...points.map(({ tokens, ms }) => Math.abs(start + slope * tokens - ms) / ms)),
  };
}

export const bytesPerToken = (points: readonly Omit<CachePoint, 'ms'>[]): number =>
  lineThrough(points.map(({ tokens, bytes }) => ({ x: tokens, y: bytes }))).slope;

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
