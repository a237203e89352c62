import type { Curve } from './curves.ts';

/** A report of one row's times that was kept. */
export interface KeptReport {
  readonly adapter: string;
  readonly commit: string;
  readonly measuredAt: string;
  readonly rows: readonly {
    readonly name: string;
    readonly median: number;
    readonly p10: number;
    readonly p90: number;
  }[];
}

/** How rows went from report to report of one adapter, in the order they were measured; those in two at least. */
export function historyCurves(
  reports: readonly KeptReport[],
  adapter: string,
  most: number,
): readonly Curve[] {
  const sorted = reports
    .filter((report) => report.adapter === adapter)
    .sort((a, b) => a.measuredAt.localeCompare(b.measuredAt));
  const byName = new Map<string, Curve['points'][number][]>();
  for (const [i, { commit, rows }] of sorted.entries()) {
    for (const { name, median, p10, p90 } of rows) {
      const point = {
        x: i + 1,
        median,
        p10,
        p90,
        title: `${name} at ${commit}: ${median.toPrecision(3)} ms`,
      };
      byName.set(name, [...(byName.get(name) ?? []), point]);
    }
  }
  return [...byName]
    .filter(([, points]) => points.length > 1)
    .map(([name, points]) => ({ name, points }))
    .slice(0, most);
}
