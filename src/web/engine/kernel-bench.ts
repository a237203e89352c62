import { caseName } from '../../../bench/bench-case.ts';
import { quickKernelCases } from '../../../bench/cases.ts';
import type { KernelCase } from '../../../bench/kernel-case.ts';
import { bestLimits, type Limits, measureLimits } from '../../../bench/limits.ts';
import { rowOf } from '../../../bench/report.ts';
import { smallKernelCases } from '../../../bench/small-kernel-cases.ts';
import { type Measured, timeCase } from '../../../bench/time-case.ts';
import type { Device } from '../../device/gpu-device.ts';
import { throwIfAborted } from '../../generate/abort.ts';
import type { KernelProgress, KernelReport } from '../protocol.ts';
import { readEnvironment } from './environment.ts';

/** What a page times: kernels at one shape that models have, by the op they do. */
const kernelCases: readonly KernelCase[] = [...quickKernelCases, ...smallKernelCases];

export const kernelNames = (): readonly string[] => [...new Set(kernelCases.map(({ op }) => op))];

const LEAST_SAMPLES = 5;
const MOST_SAMPLES = 200;

/**
 * Measures the adapter's limits, then the kernels of these ops against them. A case that fails becomes an entry of
 * `failures`. f16 cases are left out where the adapter has no shader-f16.
 */
export async function benchKernels(
  device: Device,
  ops: readonly string[],
  {
    version,
    seconds,
    signal,
  }: { readonly version: string; readonly seconds: number; readonly signal: AbortSignal },
  onProgress: (progress: KernelProgress) => void,
): Promise<KernelReport> {
  const cases = kernelCases.filter(
    ({ op, dtype }) => ops.includes(op) && (dtype !== 'f16' || device.caps.features.shaderF16),
  );
  // The limits come first and last: a machine's speed drifts, and the better of both counts.
  const total = cases.length + 2;
  const limitsAt = (done: number): Promise<Limits> =>
    measureLimits(device, (what) => {
      throwIfAborted(signal);
      onProgress({ done, total, what });
    });
  const before = await limitsAt(0);
  const measured: Measured[] = [];
  const failures: { name: string; reason: string }[] = [];
  for (const [i, one] of cases.entries()) {
    throwIfAborted(signal);
    onProgress({ done: i + 1, total, what: caseName(one) });
    try {
      measured.push(await timeCase(device, one, (_, run) => sampleFor(seconds, run)));
    } catch (error) {
      failures.push({ name: caseName(one), reason: error instanceof Error ? error.message : String(error) });
    }
  }
  const limits = bestLimits(before, await limitsAt(total - 1));
  return {
    ...readEnvironment(device, version),
    measuredAt: new Date().toISOString(),
    peak: { gflops: limits.fmaGflops.f32, gbps: Math.max(...limits.read.map(({ gbps }) => gbps)) },
    rows: measured.map((one) => ({ ...rowOf(one, limits), intensity: intensityOf(one) })),
    failures,
  };
}

/** FLOP per byte that must be moved. */
function intensityOf({ dispatches }: Measured): number {
  const { flops, bytesRead, bytesWritten } = sumCosts(dispatches.map(({ cost }) => cost));
  return flops / (bytesRead + bytesWritten);
}

interface Counts {
  readonly flops: number;
  readonly bytesRead: number;
  readonly bytesWritten: number;
}

const sumCosts = (costs: readonly Counts[]): Counts => ({
  flops: costs.reduce((sum, { flops }) => sum + flops, 0),
  bytesRead: costs.reduce((sum, { bytesRead }) => sum + bytesRead, 0),
  bytesWritten: costs.reduce((sum, { bytesWritten }) => sum + bytesWritten, 0),
});

/** Milliseconds of calls in a row. The `benchmark` library makes functions from text, which a page's policy forbids. */
async function sampleFor(seconds: number, run: () => Promise<void>): Promise<readonly number[]> {
  const startedMs = performance.now();
  const times: number[] = [];
  while (
    times.length < LEAST_SAMPLES ||
    (performance.now() - startedMs < seconds * 1000 && times.length < MOST_SAMPLES)
  ) {
    const beginMs = performance.now();
    await run();
    times.push(performance.now() - beginMs);
  }
  return times;
}
