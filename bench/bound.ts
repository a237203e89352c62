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
    const fma = flops / (limits.fmaGflops.f32 * 1e6);
    const memory = memoryMs(bytesRead, bytesWritten, limits);
    ms[fma > memory ? 'fma' : 'memory'] += Math.max(fma, memory);
  }
  return { ms: ms.fma + ms.memory, by: ms.fma > ms.memory ? 'fma' : 'memory' };
}

/**
 * Least time to move that many bytes: what is read at the speed of reading, what is written at the speed that copying leaves
 * for it. So a kernel that only reads is held to reading and a copy to copying.
 */
export function memoryMs(bytesRead: number, bytesWritten: number, { read, copy }: MemoryLimits): number {
  const bytes = bytesRead + bytesWritten;
  const [readGbps, copyGbps] = [bestFor(bytes, read), bestFor(bytes, copy)];
  const nsPerByteRead = 1 / readGbps;
  const nsPerByteWritten = 2 / copyGbps - nsPerByteRead;
  // Copying at over twice the speed of reading reads faster than the loops that only read.
  if (nsPerByteWritten <= 0) return bytes / (copyGbps * 1e6);
  return (bytesRead * nsPerByteRead + bytesWritten * nsPerByteWritten) / 1e6;
}

type MemoryLimits = Pick<Limits, 'read' | 'copy'>;

/** The best over any buffer that is not much smaller: what fits a cache is held to the cache. */
function bestFor(byteLength: number, bandwidths: readonly Bandwidth[]): number {
  const floor = Math.max(0, ...bandwidths.map((one) => one.byteLength).filter((size) => size <= byteLength));
  return Math.max(...bandwidths.filter((one) => one.byteLength >= floor).map(({ gbps }) => gbps));
}
