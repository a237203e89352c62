import { invariant } from '../src/core/errors.ts';

/** How times spread: the median, and what a tenth and nine tenths of them stay under. */
export interface Spread {
  readonly median: number;
  readonly p10: number;
  readonly p90: number;
}

/** The value that `fraction` of `values` stay under, interpolated linearly (Hyndman & Fan 1996, type 7). */
export function quantile(values: readonly number[], fraction: number): number {
  invariant(values.length > 0, 'a quantile of no values');
  const sorted = [...values].sort((a, b) => a - b);
  const position = fraction * (sorted.length - 1);
  const below = sorted[Math.floor(position)] ?? Number.NaN;
  const above = sorted[Math.ceil(position)] ?? Number.NaN;
  return below + (above - below) * (position - Math.floor(position));
}

export const spreadOf = (values: readonly number[]): Spread => ({
  median: quantile(values, 0.5),
  p10: quantile(values, 0.1),
  p90: quantile(values, 0.9),
});

/** Three significant digits: `0.0123`, `1.23`, `123`, `12346`. */
export function formatNumber(value: number): string {
  if (value === 0) return '0';
  const digits = 2 - Math.floor(Math.log10(Math.abs(value)));
  return value.toFixed(Math.min(20, Math.max(0, digits)));
}

/** `34.5 %`. */
export const formatPercent = (fraction: number): string => `${(100 * fraction).toFixed(1)} %`;
