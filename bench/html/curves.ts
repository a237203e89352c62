import { escapeXml } from '../../src/core/escape-xml.ts';
import { element } from '../../src/look/svg.ts';
import { formatNumber } from '../statistics.ts';
import { axes, type Frame, legend, seriesClass } from './chart-frame.ts';
import { linearScale, logScale, svg } from './svg.ts';

/** How one thing grows, or changes: a line of points with the interval of each. */
export interface Curve {
  readonly name: string;
  readonly points: readonly CurvePoint[];
}

export interface CurvePoint {
  readonly x: number;
  readonly median: number;
  readonly p10: number;
  readonly p90: number;
  /** What the pointer reads; the numbers unless told. */
  readonly title?: string;
}

const WIDTH = 960;
const HEIGHT = 400;
const FRAME: Frame = { left: 70, top: 30, right: 930, bottom: 345 };

/** Logarithmic axes: a straight line of slope 1 grows as fast as what it is drawn over. */
export function curves(
  series: readonly Curve[],
  xTitle: string,
  yTitle: string,
  xScale: 'log' | 'linear' = 'log',
): string {
  const points = series.flatMap((curve) => curve.points);
  if (points.length === 0) return '';
  const x = (xScale === 'log' ? logScale : linearScale)(
    points.map((point) => point.x),
    FRAME.left,
    FRAME.right,
  );
  const y = logScale(
    points.flatMap(({ p10, p90 }) => [p10, p90]),
    FRAME.bottom,
    FRAME.top,
  );
  const lines = series.map((curve, i) => {
    const sorted = [...curve.points].sort((a, b) => a.x - b.x);
    const at = (value: (point: CurvePoint) => number, list: readonly CurvePoint[]): string =>
      list.map((point) => `${x(point.x).toFixed(1)},${y(value(point)).toFixed(1)}`).join(' ');
    const band = `${at(({ p90 }) => p90, sorted)} ${at(({ p10 }) => p10, [...sorted].reverse())}`;
    const dots = sorted.map((point) =>
      element(
        'circle',
        { cx: x(point.x), cy: y(point.median), r: 4, class: `dot ${seriesClass(i)}` },
        element(
          'title',
          {},
          escapeXml(point.title ?? `${curve.name}, ${point.x}: ${formatNumber(point.median)}`),
        ),
      ),
    );
    return (
      element('polygon', { points: band, class: `band ${seriesClass(i)}` }) +
      element('polyline', { points: at(({ median }) => median, sorted), class: `curve ${seriesClass(i)}` }) +
      dots.join('')
    );
  });
  return (
    svg(WIDTH, HEIGHT, yTitle, axes(FRAME, x, y, xTitle, yTitle), ...lines) +
    legend(series.map(({ name }) => escapeXml(name)))
  );
}
