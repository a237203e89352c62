import { metricOf } from './metrics.ts';

export interface MemorySample {
  /** Since the first sample. */
  readonly seconds: number;
  readonly resident: number;
  readonly heap: number;
  readonly gpu: number;
}

/** How an amount of bytes went in the time that counts. */
export interface Growth {
  /** Highest in each third. */
  readonly thirds: readonly [number, number, number];
  /** Slope of the line through all samples (least squares). */
  readonly bytesPerMinute: number;
}

const SAMPLE_MS = 500;

async function readMetrics(url: string): Promise<string> {
  return (await fetch(`${url}/metrics`, { headers: { connection: 'close' } })).text();
}

/** Bytes of a server's GPU buffers. */
export const gpuBytesOf = async (url: string): Promise<number> =>
  metricOf(await readMetrics(url), 'tessera_gpu_bytes');

/** What a server tells of its memory until `until`, by performance.now(). */
export async function sampleMemory(url: string, until: number): Promise<readonly MemorySample[]> {
  const samples: MemorySample[] = [];
  const begun = performance.now();
  while (performance.now() < until) {
    const text = await readMetrics(url);
    samples.push({
      seconds: (performance.now() - begun) / 1000,
      resident: metricOf(text, 'process_resident_memory_bytes'),
      heap: metricOf(text, 'nodejs_heap_size_used_bytes'),
      gpu: metricOf(text, 'tessera_gpu_bytes'),
    });
    await new Promise((resolve) => setTimeout(resolve, SAMPLE_MS));
  }
  return samples;
}

export function growthOf(samples: readonly MemorySample[], of: 'resident' | 'heap' | 'gpu'): Growth {
  const third = Math.ceil(samples.length / 3);
  const highest = (n: number): number =>
    Math.max(...samples.slice(n * third, (n + 1) * third).map((sample) => sample[of]));
  const mean = (values: readonly number[]): number => values.reduce((sum, x) => sum + x, 0) / values.length;
  const meanSeconds = mean(samples.map(({ seconds }) => seconds));
  const meanBytes = mean(samples.map((sample) => sample[of]));
  let covariance = 0;
  let variance = 0;
  for (const sample of samples) {
    covariance += (sample.seconds - meanSeconds) * (sample[of] - meanBytes);
    variance += (sample.seconds - meanSeconds) ** 2;
  }
  return { thirds: [highest(0), highest(1), highest(2)], bytesPerMinute: (60 * covariance) / variance };
}

/** Fluctuation that is no growth: of the highest of the middle third. */
const TOLERANCE = 0.05;

/** Whether the last third reached more than the middle one; the first fills caches. */
export const grows = ({ thirds: [, middle, last] }: Growth): boolean => last > middle * (1 + TOLERANCE);
