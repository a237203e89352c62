import type { Device } from '../src/device/gpu-device.ts';
import { type BenchCase, caseName } from './bench-case.ts';
import { readEnvironment } from './environment.ts';
import { bestLimits, measureLimits } from './limits.ts';
import { type Measured, measureCase } from './measure-case.ts';
import { type BenchReport, rowOf } from './report.ts';
import type { WallClockOptions } from './wall-clock.ts';

/** Whether `device` can run the case. */
export const isServed = ({ dtype }: BenchCase, { caps }: Device): boolean =>
  dtype !== 'f16' || caps.features.shaderF16;

/**
 * Measures the limits, the cases one after another, and the limits again: a machine's speed drifts, and the better
 * of both is what a row is held to.
 */
export async function runBench(
  device: Device,
  cases: readonly BenchCase[],
  options: WallClockOptions,
  onProgress: (what: string) => void,
): Promise<BenchReport> {
  const environment = readEnvironment(device);
  const before = await measureLimits(device, onProgress);
  const measured: Measured[] = [];
  for (const [i, benchCase] of cases.entries()) {
    onProgress(`${i + 1} of ${cases.length}: ${caseName(benchCase)}`);
    measured.push(await measureCase(device, benchCase, options));
  }
  const limits = bestLimits(before, await measureLimits(device, onProgress));
  return { ...environment, limits, rows: measured.map((one) => rowOf(one, limits)) };
}
