import type { Caps } from '../core/caps.ts';
import type { Cost } from '../kernels/kernel.ts';

/** What an adapter reaches at best. */
export interface Peaks {
  readonly gflops: number;
  readonly gigabytesPerSecond: number;
}

/**
 * Typical peaks by kind of adapter. `software`: FMA and vec4-read micro-kernels on lavapipe and SwiftShader with
 * two cores; the others are the middle of their class. Only ratios between kernels matter here.
 */
const DEFAULT_PEAKS: Readonly<Record<Caps['kind'], Peaks>> = {
  software: { gflops: 25, gigabytesPerSecond: 5 },
  integrated: { gflops: 1500, gigabytesPerSecond: 60 },
  discrete: { gflops: 15000, gigabytesPerSecond: 500 },
  unknown: { gflops: 1500, gigabytesPerSecond: 60 },
};

/** Least time the counts allow: the slower of arithmetic and memory (Williams, Waterman & Patterson 2009). */
export function rooflineMs(cost: Cost, kind: Caps['kind']): number {
  const { gflops, gigabytesPerSecond } = DEFAULT_PEAKS[kind];
  return Math.max(
    cost.flops / (gflops * 1e6),
    (cost.bytesRead + cost.bytesWritten) / (gigabytesPerSecond * 1e6),
  );
}
