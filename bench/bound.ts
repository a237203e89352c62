import type { Cost } from '../src/kernels/kernel.ts';
import type { Bandwidth } from './bandwidth.ts';
import type { Limits } from './limits.ts';

/** What holds a row back at best: multiply-adds, or bytes. */
export type BoundBy = 'fma' | 'memory';

export interface Bound {
  readonly ms: number;
  /** What takes the larger part of that time. */
  readonly by: BoundBy;
}

/**
 * Least time the measured limits allow for dispatches one after another, each the slower of arithmetic and memory
 * (Williams, Waterman & Patterson 2009). Arithmetic is counted as f32, which kernels accumulate in.
 */
export function boundOf(costs: readonly Cost[], limits: Limits): Bound {
  const ms = { fma: 0, memory: 0 };
  for (const { flops, bytesRead, bytesWritten } of costs) {
    const bytes = bytesRead + bytesWritten;
    const fma = flops / (limits.fmaGflops.f32 * 1e6);
    const memory = bytes / (bandwidthFor(bytes, limits) * 1e6);
    ms[fma > memory ? 'fma' : 'memory'] += Math.max(fma, memory);
  }
  return { ms: ms.fma + ms.memory, by: ms.fma > ms.memory ? 'fma' : 'memory' };
}

/** The best bandwidth of a kernel over any buffer that is not much smaller: what fits a cache is held to the cache. */
export function bandwidthFor(byteLength: number, { read, copy }: Pick<Limits, 'read' | 'copy'>): number {
  const best = (bandwidths: readonly Bandwidth[]): number => {
    const floor = Math.max(
      0,
      ...bandwidths.map((one) => one.byteLength).filter((size) => size <= byteLength),
    );
    return Math.max(...bandwidths.filter((one) => one.byteLength >= floor).map(({ gbps }) => gbps));
  };
  return Math.max(best(read), best(copy));
}
