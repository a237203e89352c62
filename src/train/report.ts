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

export interface Point {
  readonly step: number;
  readonly value: number;
}

const WIDTH = 720;
const HEIGHT = 220;
const MARGIN = { left: 64, right: 16, top: 12, bottom: 28 } as const;
/** Points drawn of one line: more than there are pixels show nothing more. */
const MAX_POINTS = 600;

/** A page that stands alone: no scripts, nothing loaded from elsewhere. */
export function renderReport({ title, series, lines, facts, refreshSeconds }: ReportPage): string {
  const refresh =
    refreshSeconds === null ? '' : `\n    <meta http-equiv="refresh" content="${refreshSeconds}">`;
  const charts = series.map((one) => renderChart(one, pointsOf(lines, one.metric)));
  const rows = facts.map(
    ([name, value]) => `<tr><th>${escapeText(name)}</th><td>${escapeText(value)}</td></tr>`,
  );
  return `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">${refresh}
    <title>${escapeText(title)}</title>
    <style>
      body { font: 15px/1.5 system-ui, sans-serif; max-width: 760px; margin: 2rem auto; padding: 0 1rem; color: #222; }
      h2 { font-size: 1rem; margin: 1.5rem 0 0.25rem; }
      table { border-collapse: collapse; } th { text-align: left; font-weight: 600; padding-right: 1.5rem; }
      svg { width: 100%; height: auto; } text { font: 11px system-ui, sans-serif; fill: #555; }
      .grid { stroke: #ddd; } .line { fill: none; stroke: #2563eb; stroke-width: 1.5; } .raw { fill: none; stroke: #bfd0f7; }
    </style>
  </head>
  <body>
    <h1>${escapeText(title)}</h1>
    <table>${rows.join('')}</table>
${charts.join('\n')}
  </body>
</html>
`;
}

/** The values of a metric where it is there. */
export const pointsOf = (lines: readonly MetricsLine[], metric: string): readonly Point[] =>
  lines.flatMap((line) => {
    const value = line[metric];
    return typeof value === 'number' ? [{ step: line.step, value }] : [];
  });

/** Neighbours joined to their mean, so that at most `most` points are left. */
export function thin(points: readonly Point[], most: number): readonly Point[] {
  const group = Math.ceil(points.length / most);
  if (group <= 1) return points;
  return Array.from({ length: Math.ceil(points.length / group) }, (_, i) => {
    const part = points.slice(i * group, (i + 1) * group);
    const mean = part.reduce((sum, { value }) => sum + value, 0) / part.length;
    return { step: part.at(-1)?.step ?? 0, value: mean };
  });
}

function renderChart({ title, unit }: Series, points: readonly Point[]): string {
  const heading = `    <h2>${escapeText(title)}</h2>`;
  if (points.length === 0) return `${heading}\n    <p>nothing yet</p>`;
  const lastStep = Math.max(1, ...points.map(({ step }) => step));
  const [low, high] = rangeOf(points, unit);
  const x = (step: number): number => MARGIN.left + ((WIDTH - MARGIN.left - MARGIN.right) * step) / lastStep;
  const y = (value: number): number =>
    MARGIN.top + (HEIGHT - MARGIN.top - MARGIN.bottom) * (1 - (value - low) / (high - low));
  const path = (list: readonly Point[]): string =>
    list.map(({ step, value }) => `${x(step).toFixed(1)},${y(value).toFixed(1)}`).join(' ');
  const label = (value: number): string =>
    unit === 'percent' ? `${(100 * value).toFixed(0)} %` : String(Number(value.toPrecision(3)));
  const grid = [0, 0.25, 0.5, 0.75, 1].map((share) => {
    const value = low + share * (high - low);
    const at = y(value).toFixed(1);
    return (
      `<line class="grid" x1="${MARGIN.left}" x2="${WIDTH - MARGIN.right}" y1="${at}" y2="${at}"/>` +
      `<text x="${MARGIN.left - 8}" y="${at}" text-anchor="end" dominant-baseline="middle">${label(value)}</text>`
    );
  });
  const steps = [0, 0.5, 1].map(
    (share) =>
      `<text x="${x(share * lastStep).toFixed(1)}" y="${HEIGHT - 8}" text-anchor="middle">${Math.round(share * lastStep)}</text>`,
  );
  const drawn = thin(points, MAX_POINTS);
  // A line as it is, and over it a smoother one where there is much of it.
  const smooth = points.length > 100 ? thin(points, 50) : drawn;
  return [
    heading,
    `    <svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${escapeText(title)}">`,
    `      ${grid.join('')}${steps.join('')}`,
    ...(smooth === drawn ? [] : [`      <polyline class="raw" points="${path(drawn)}"/>`]),
    `      <polyline class="line" points="${path(smooth)}"/>`,
    '    </svg>',
  ].join('\n');
}

function rangeOf(points: readonly Point[], unit: Series['unit']): readonly [number, number] {
  if (unit === 'percent') return [0, 1];
  const values = points.map(({ value }) => value);
  const [low, high] = [Math.min(...values, 0), Math.max(...values)];
  return [low, high > low ? high : low + 1];
}

const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };

const escapeText = (text: string): string =>
  text.replace(/[&<>"]/g, (character) => ENTITIES[character] ?? '');
