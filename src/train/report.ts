import { type ChartSeries, type Point, renderChart, renderPage, renderTable, thin } from './chart.ts';
import type { MetricsLine } from './metrics.ts';

/** One line of a chart. */
export interface Series {
  readonly title: string;
  /** Name of the metric. */
  readonly metric: string;
  /** `percent` has an axis from 0 to 100 %. */
  readonly unit: 'number' | 'percent';
}

export interface ReportPage {
  readonly title: string;
  readonly series: readonly Series[];
  readonly lines: readonly MetricsLine[];
  /** Rows of a table above the charts. */
  readonly facts: readonly (readonly [name: string, value: string])[];
  /** The page loads itself again every so many seconds; null once nothing will change. */
  readonly refreshSeconds: number | null;
}

/** Points drawn of one line: more than there are pixels show nothing more. */
const MAX_POINTS = 600;
/** A line of more points than this is drawn faintly, and over it a smoother one. */
const MANY_POINTS = 100;
const SMOOTH_POINTS = 50;

/** The curves of a training. */
export function renderReport({ title, series, lines, facts, refreshSeconds }: ReportPage): string {
  const charts = series.map(({ title, metric, unit }) =>
    renderChart({ title, unit, across: 'step', series: linesOf(title, pointsOf(lines, metric)) }),
  );
  return renderPage({ title, refreshSeconds, parts: [renderTable(facts, { header: false }), ...charts] });
}

function linesOf(name: string, points: readonly Point[]): readonly ChartSeries[] {
  const drawn = thin(points, MAX_POINTS);
  if (points.length <= MANY_POINTS) return [{ name, style: 'line', points: drawn }];
  return [
    { name, style: 'faint', points: drawn },
    { name, style: 'line', points: thin(points, SMOOTH_POINTS) },
  ];
}

/** The values of a metric where it is there. */
export const pointsOf = (lines: readonly MetricsLine[], metric: string): readonly Point[] =>
  lines.flatMap((line) => {
    const value = line[metric];
    return typeof value === 'number' ? [{ step: line.step, value }] : [];
  });
