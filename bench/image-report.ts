import { formatTable } from '../src/cli/table.ts';
import type { BenchRow } from './report.ts';
import { formatNumber, type Spread } from './statistics.ts';

/** Times of one way to do it. */
export interface ImageTiming extends Spread {
  readonly name: string;
  /** Median of processor time, which other work on the machine hardly changes. */
  readonly cpuMs: number;
}

/** A case beside sharp, both sampled in turn. Its filter stands where kernels have a storage type. */
export interface ImageRow
  extends Pick<BenchRow, 'op' | 'shape' | 'dtype' | 'ms' | 'p10' | 'p90' | 'samples'> {
  readonly cpuMs: number;
  /** sharp as it is set when installed. */
  readonly sharp: ImageTiming;
  /** Our time over sharp's, so that below 1 we are faster; of wall time and of processor time. */
  readonly overSharp: number;
  readonly cpuOverSharp: number;
  /** sharp with other settings. */
  readonly others: readonly ImageTiming[];
}

export const IMAGE_HEADER: readonly string[] =
  'picture,shape,filter,ms,p10,p90,sharp,over sharp,processor time over,sharp otherwise'.split(',');

/** Times in ms. */
export const imageCells = (row: ImageRow): string[] => [
  row.op,
  row.shape,
  row.dtype,
  ...[row.ms, row.p10, row.p90, row.sharp.median].map(formatNumber),
  ...[row.overSharp, row.cpuOverSharp].map((ratio) => `${formatNumber(ratio)}x`),
  row.others.map(({ name, median }) => `${name}: ${formatNumber(median)}`).join('; '),
];

export function formatImages(rows: readonly ImageRow[]): string[] {
  if (rows.length === 0) return [];
  const numbers = Array.from({ length: 6 }, () => 'right' as const);
  return formatTable([IMAGE_HEADER, ...rows.map(imageCells)], ['left', 'left', 'left', ...numbers, 'left']);
}
