import { formatTable } from '../src/cli/table.ts';
import { InputError } from '../src/core/errors.ts';
import { formatNumber } from './statistics.ts';

/** One row of a report, as far as comparing needs it. */
export interface ComparableRow {
  readonly name: string;
  readonly median: number;
  readonly p10: number;
  readonly p90: number;
}

export interface ComparableReport {
  readonly adapter: string;
  readonly commit: string;
  readonly rows: readonly ComparableRow[];
}

/** `slower` and `faster` only where the middle 80 % of both runs' samples lie apart. */
export type Verdict = 'slower' | 'faster' | 'same';

export interface ComparedRow {
  readonly name: string;
  readonly before: ComparableRow;
  readonly after: ComparableRow;
  /** Median after over median before: above 1 is slower. */
  readonly ratio: number;
  readonly verdict: Verdict;
}

export interface Comparison {
  readonly rows: readonly ComparedRow[];
  /** Names that only one of the two has. */
  readonly gone: readonly string[];
  readonly added: readonly string[];
}

/** Differences of medians below this share count as noise even where intervals lie apart: clocks and caches drift. */
const LEAST_CHANGE = 0.05;

/** Whether `after` is beyond the noise of both: their intervals p10 to p90 are disjoint, and the medians 5 % apart. */
export function verdictOf(before: ComparableRow, after: ComparableRow): Verdict {
  const ratio = after.median / before.median;
  if (ratio > 1 + LEAST_CHANGE && after.p10 > before.p90) return 'slower';
  if (ratio < 1 / (1 + LEAST_CHANGE) && after.p90 < before.p10) return 'faster';
  return 'same';
}

/** Row by row. Throws InputError where the reports are of different adapters: their times have nothing to say of each other. */
export function compareReports(before: ComparableReport, after: ComparableReport): Comparison {
  if (before.adapter !== after.adapter) {
    throw new InputError(
      `bench: one report is of "${before.adapter}", the other of "${after.adapter}"; expected one adapter.`,
    );
  }
  const later = new Map(after.rows.map((row) => [row.name, row]));
  const names = new Set(before.rows.map(({ name }) => name));
  return {
    rows: before.rows.flatMap((row) => {
      const other = later.get(row.name);
      if (!other) return [];
      const ratio = other.median / row.median;
      return [{ name: row.name, before: row, after: other, ratio, verdict: verdictOf(row, other) }];
    }),
    gone: before.rows.map(({ name }) => name).filter((name) => !later.has(name)),
    added: after.rows.map(({ name }) => name).filter((name) => !names.has(name)),
  };
}

/** All rows, what changed first, then what only one report has. */
export function formatComparison({ rows, gone, added }: Comparison): string[] {
  const order: Readonly<Record<Verdict, number>> = { slower: 0, faster: 1, same: 2 };
  const sorted = [...rows].sort((a, b) => order[a.verdict] - order[b.verdict]);
  const interval = ({ median, p10, p90 }: ComparableRow): string =>
    `${formatNumber(median)} (${formatNumber(p10)} to ${formatNumber(p90)})`;
  const cells = sorted.map(({ name, before, after, ratio, verdict }) => [
    name,
    interval(before),
    interval(after),
    `${formatNumber(ratio)}x`,
    verdict,
  ]);
  const table = formatTable(
    [['row', 'before, ms', 'after, ms', 'time', ''], ...cells],
    ['left', 'right', 'right', 'right', 'left'],
  );
  const only = (which: string, names: readonly string[]): string[] =>
    names.length === 0 ? [] : [`only ${which}: ${names.join(', ')}`];
  return [...table, ...only('before', gone), ...only('after', added)];
}
