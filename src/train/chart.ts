/** Charts as SVG within a page that stands alone: no scripts, nothing loaded from elsewhere. */
import { escapeXml } from '../core/escape-xml.ts';

export interface Point {
  readonly step: number;
  readonly value: number;
}

/** One line of a chart, or the marks of one kind. */
export interface ChartSeries {
  /** For the legend, which a chart of several has. */
  readonly name: string;
  readonly points: readonly Point[];
  /** `line` joins the points, `marks` does not; `faint` is drawn below others and not named. */
  readonly style: 'line' | 'marks' | 'faint';
}

export interface Chart {
  readonly title: string;
  readonly series: readonly ChartSeries[];
  /** `percent` has an axis from 0 to 100 %. */
  readonly unit: 'number' | 'percent';
  /** What lies along the axis below. */
  readonly across: string;
  /** A level to compare with. */
  readonly level?: { readonly name: string; readonly value: number } | undefined;
}

const WIDTH = 720;
const HEIGHT = 240;
const MARGIN = { left: 64, right: 16, top: 12, bottom: 40 } as const;
/** Okabe & Ito 2008: told apart with any colour vision. */
const COLOURS = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9', '#000000'] as const;

const STYLE = `
      body { font: 15px/1.5 system-ui, sans-serif; max-width: 900px; margin: 2rem auto; padding: 0 1rem; color: #222; }
      h2 { font-size: 1rem; margin: 1.5rem 0 0.25rem; }
      table { border-collapse: collapse; margin-bottom: 1rem; } th { text-align: left; font-weight: 600; }
      th, td { padding-right: 1.25rem; white-space: nowrap; font-variant-numeric: tabular-nums; }
      svg { width: 100%; height: auto; } text { font: 11px system-ui, sans-serif; fill: #555; }
      .grid { stroke: #ddd; } .level { stroke: #999; stroke-dasharray: 4 4; }
      .line { fill: none; stroke-width: 1.5; } .faint { fill: none; stroke-width: 1; opacity: 0.3; }
      .legend { display: flex; flex-wrap: wrap; gap: 0 1rem; font-size: 12px; }
      .legend i { display: inline-block; width: 0.8em; height: 0.8em; border-radius: 50%; margin-right: 0.35em; }
    `;

export interface Page {
  readonly title: string;
  /** The page loads itself again every so many seconds; null once nothing will change. */
  readonly refreshSeconds: number | null;
  /** HTML of its parts. */
  readonly parts: readonly string[];
}

export function renderPage({ title, refreshSeconds, parts }: Page): string {
  const refresh =
    refreshSeconds === null ? '' : `\n    <meta http-equiv="refresh" content="${refreshSeconds}">`;
  return `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">${refresh}
    <title>${escapeXml(title)}</title>
    <style>${STYLE}</style>
  </head>
  <body>
    <h1>${escapeXml(title)}</h1>
${parts.join('\n')}
  </body>
</html>
`;
}

/** Rows of text; with `header` the first is one. */
export function renderTable(rows: readonly (readonly string[])[], { header }: { header: boolean }): string {
  const lines = rows.map((cells, row) =>
    cells.map((cell, column) => {
      const tag = header ? row === 0 : column === 0;
      return tag ? `<th>${escapeXml(cell)}</th>` : `<td>${escapeXml(cell)}</td>`;
    }),
  );
  return `    <table>${lines.map((cells) => `<tr>${cells.join('')}</tr>`).join('')}</table>`;
}

export function renderChart({ title, series, unit, across, level }: Chart): string {
  const heading = `    <h2>${escapeXml(title)}</h2>`;
  const all = series.flatMap(({ points }) => points);
  if (all.length === 0) return `${heading}\n    <p>nothing yet</p>`;
  const last = Math.max(1, ...all.map(({ step }) => step));
  const [low, high] = unit === 'percent' ? ([0, 1] as const) : rangeOf(all);
  const x = (step: number): number => MARGIN.left + ((WIDTH - MARGIN.left - MARGIN.right) * step) / last;
  const y = (value: number): number =>
    MARGIN.top + (HEIGHT - MARGIN.top - MARGIN.bottom) * (1 - (value - low) / (high - low));
  const label = (value: number): string =>
    unit === 'percent' ? `${(100 * value).toFixed(0)} %` : String(Number(value.toPrecision(3)));
  const rule = (value: number, kind: string): string =>
    `<line class="${kind}" x1="${MARGIN.left}" x2="${WIDTH - MARGIN.right}" y1="${y(value).toFixed(1)}" y2="${y(value).toFixed(1)}"/>`;
  const grid = [0, 0.25, 0.5, 0.75, 1].map((share) => {
    const value = low + share * (high - low);
    return `${rule(value, 'grid')}${text(MARGIN.left - 8, y(value) + 4, 'end', label(value))}`;
  });
  const bottom = HEIGHT - MARGIN.bottom + 16;
  const steps = [0, 0.5, 1].map((share) =>
    text(x(share * last), bottom, share === 1 ? 'end' : 'middle', label0(share * last)),
  );
  const named = series.filter(({ style }) => style !== 'faint');
  const colourOf = (one: ChartSeries): string =>
    COLOURS[named.findIndex(({ name }) => name === one.name) % COLOURS.length] ?? COLOURS[0];
  return [
    heading,
    ...(named.length > 1 ? [legend(named.map((one) => [one.name, colourOf(one)] as const))] : []),
    `    <svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${escapeXml(title)}">`,
    `      ${grid.join('')}${steps.join('')}${text((MARGIN.left + WIDTH) / 2, HEIGHT - 6, 'middle', across)}`,
    ...(level
      ? [
          `      ${rule(level.value, 'level')}${text(WIDTH - MARGIN.right, y(level.value) - 4, 'end', level.name)}`,
        ]
      : []),
    ...series.map((one) => `      ${renderSeries(one, colourOf(one), x, y)}`),
    '    </svg>',
  ].join('\n');
}

type Scale = (value: number) => number;

function renderSeries({ points, style, name }: ChartSeries, colour: string, x: Scale, y: Scale): string {
  const marks = points.map(
    ({ step, value }) =>
      `<circle cx="${x(step).toFixed(1)}" cy="${y(value).toFixed(1)}" r="4" fill="${colour}"><title>${escapeXml(name)}</title></circle>`,
  );
  if (style === 'marks') return marks.join('');
  const path = points.map(({ step, value }) => `${x(step).toFixed(1)},${y(value).toFixed(1)}`).join(' ');
  return `<polyline class="${style}" stroke="${colour}" points="${path}"/>`;
}

const legend = (entries: readonly (readonly [name: string, colour: string])[]): string =>
  `    <div class="legend">${entries
    .map(([name, colour]) => `<span><i style="background:${colour}"></i>${escapeXml(name)}</span>`)
    .join('')}</div>`;

const text = (x: number, y: number, anchor: string, content: string): string =>
  `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" text-anchor="${anchor}">${escapeXml(content)}</text>`;

const label0 = (step: number): string => String(Math.round(step));

function rangeOf(points: readonly Point[]): readonly [number, number] {
  const values = points.map(({ value }) => value);
  const [low, high] = [Math.min(...values, 0), Math.max(...values)];
  return [low, high > low ? high : low + 1];
}

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
