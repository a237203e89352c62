import { formatTable } from '../src/cli/table.ts';
import type { WeightDType } from '../src/core/dtype.ts';
import { formatNumber, type Spread } from './statistics.ts';

/** What grows from row to row; the rest is as `questionFor` asks. */
export const GROWTH_AXES = ['prompt', 'pictures', 'requests'] as const;
export type GrowthAxis = (typeof GROWTH_AXES)[number];

/** A whole model at one point of an axis. */
export interface ModelGrowthRow {
  readonly model: string;
  readonly dtype: WeightDType;
  readonly axis: GrowthAxis;
  /** Words of the prompt, pictures in it, or requests answered at once. */
  readonly count: number;
  /** Of one request. */
  readonly promptTokens: number;
  readonly firstTokenMs: Spread;
  /** Of all requests together. */
  readonly tokensPerSecond: Spread;
  /** Of the device, which has run the smaller counts of this axis before. */
  readonly peakGpuBytes: number;
}

const HEADER =
  'grows with,model,dtype,count,prompt tokens,first token,p10,p90,tokens/s,p10,p90,GPU MiB'.split(',');

/** Times in ms. */
export function formatModelGrowth(rows: readonly ModelGrowthRow[]): string[] {
  if (rows.length === 0) return [];
  const spread = ({ median, p10, p90 }: Spread): number[] => [median, p10, p90];
  const cells = rows.map((row) => [
    ...[row.axis, row.model, row.dtype, `${row.count}`, `${row.promptTokens}`],
    ...[...spread(row.firstTokenMs), ...spread(row.tokensPerSecond), row.peakGpuBytes / 2 ** 20].map(
      formatNumber,
    ),
  ]);
  const numbers = Array.from({ length: 9 }, () => 'right' as const);
  return formatTable([HEADER, ...cells], ['left', 'left', 'left', ...numbers]);
}
