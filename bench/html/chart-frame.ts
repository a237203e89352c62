import { textLine } from '../../src/look/svg.ts';
import { line, type Scale, tickText } from './svg.ts';

/** The inside of a chart in pixels. */
export interface Frame {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

/** Grid, ticks and titles of both axes. */
export function axes(
  { left, top, right, bottom }: Frame,
  x: Scale,
  y: Scale,
  xTitle: string,
  yTitle: string,
): string {
  const columns = x.ticks.map(
    (tick) =>
      line(x(tick), top, x(tick), bottom, 'grid') +
      textLine(x(tick), bottom + 18, tickText(tick), { class: 'tick', 'text-anchor': 'middle' }),
  );
  const rows = y.ticks.map(
    (tick) =>
      line(left, y(tick), right, y(tick), 'grid') +
      textLine(left - 8, y(tick) + 4, tickText(tick), { class: 'tick', 'text-anchor': 'end' }),
  );
  return [
    ...columns,
    ...rows,
    textLine((left + right) / 2, bottom + 38, xTitle, { class: 'title', 'text-anchor': 'middle' }),
    textLine(left - 46, top - 12, yTitle, { class: 'title' }),
  ].join('');
}

/** Colours by index; the page's style sheet has them for light and dark. */
export const SERIES = 8;
export const seriesClass = (index: number): string => `s${index % SERIES}`;

/** Coloured names under each other or in a row, for charts of several series. */
export function legend(names: readonly string[]): string {
  const items = names.map((name, i) => `<li class="${seriesClass(i)}">${name}</li>`);
  return `<ul class="legend">${items.join('')}</ul>`;
}
