import type { Device } from '../src/device/gpu-device.ts';
import { openReading } from './bandwidth.ts';
import type { BenchCase } from './bench-case.ts';
import { bytesPerToken, type CacheGrowth, cacheGrowth } from './growth.ts';
import { spreadOf } from './statistics.ts';
import { type Measured, type OpenTiming, openTiming } from './time-case.ts';
import type { WallClockOptions } from './wall-clock.ts';

/** Cases of one op and dtype that differ in the tokens in the cache, the fewest first. */
export interface CacheSeries {
  readonly op: string;
  readonly dtype: string;
  readonly cases: readonly BenchCase[];
}

/** Fewer caches than this make no line. */
const LEAST_POINTS = 3;
/** Shorter caches are read in one dispatch by few workgroups, which cores cannot share evenly: they lie on no line. */
const LONG_CACHE = 1024;
const LEAST_ROUNDS = 10;

const tokensOf = ({ shape }: BenchCase): number => Number(/^past=(\d+)$/.exec(shape)?.[1] ?? Number.NaN);

/** The series among `cases`, whose shapes are like `past=1024`, and all that belong to none. */
export function splitSeries(cases: readonly BenchCase[]): {
  readonly series: readonly CacheSeries[];
  readonly others: readonly BenchCase[];
} {
  const byOp = new Map<string, BenchCase[]>();
  for (const one of cases) {
    if (Number.isNaN(tokensOf(one))) continue;
    const key = `${one.op} ${one.dtype}`;
    byOp.set(key, [...(byOp.get(key) ?? []), one]);
  }
  const series = [...byOp.values()]
    .filter(({ length }) => length >= LEAST_POINTS)
    .map((of) => of.sort((a, b) => tokensOf(a) - tokensOf(b)))
    .flatMap((of) => of.slice(0, 1).map(({ op, dtype }) => ({ op, dtype, cases: of })));
  const inSeries = new Set(series.flatMap((one) => one.cases));
  return { series, others: cases.filter((one) => !inSeries.has(one)) };
}

/**
 * Times the cases of a series in turn with a loop that reads about as many bytes as the longest cache has, round after
 * round: slopes are differences, so what slows the machine for a while has to slow all of them.
 */
export async function measureGrowth(
  device: Device,
  series: CacheSeries,
  { maxSeconds }: WallClockOptions,
): Promise<{ readonly measured: readonly Measured[]; readonly growth: CacheGrowth }> {
  const timings: OpenTiming[] = [];
  try {
    for (const one of series.cases) timings.push(await openTiming(device, one));
    const caches = timings.map(({ benchCase, dispatches }) => ({
      tokens: tokensOf(benchCase),
      bytes: dispatches.reduce((sum, { cost }) => sum + cost.bytesRead + cost.bytesWritten, 0),
    }));
    const most = Math.max(...caches.map(({ tokens }) => tokens)) * bytesPerToken(caches);
    const byteLength = 2 ** Math.floor(Math.log2(most));
    const { samples, reads } = await sampleInTurn(device, timings, byteLength, maxSeconds);
    const measured: Measured[] = [];
    for (const [i, timing] of timings.entries()) measured.push(await timing.measured(samples[i] ?? []));
    const points = caches.map((cache, i) => ({ ...cache, ms: measured[i]?.wall.median ?? Number.NaN }));
    const long = points.filter(({ tokens }) => tokens >= LONG_CACHE);
    return {
      measured,
      growth: cacheGrowth(
        series,
        long.length < LEAST_POINTS ? points : long,
        spreadOf(reads).median / byteLength,
      ),
    };
  } finally {
    for (const timing of timings) timing.dispose();
  }
}

/** Ms of every run of each of `timings`, and of reading `byteLength` bytes once between them. */
async function sampleInTurn(
  device: Device,
  timings: readonly OpenTiming[],
  byteLength: number,
  maxSeconds: number,
) {
  const samples = timings.map((): number[] => []);
  const reads: number[] = [];
  const reading = await openReading(device, byteLength);
  try {
    const endMs = performance.now() + 1000 * maxSeconds * timings.length;
    for (let round = 0; round < LEAST_ROUNDS || performance.now() < endMs; round++) {
      for (const [i, timing] of timings.entries()) {
        const startedMs = performance.now();
        await timing.run();
        samples[i]?.push(performance.now() - startedMs);
        reads.push(await reading.read());
      }
    }
    return { samples, reads };
  } finally {
    reading.release();
  }
}
