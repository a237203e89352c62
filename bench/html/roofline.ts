import { escapeXml } from '../../src/core/escape-xml.ts';
import { element, textLine } from '../../src/look/svg.ts';
import type { Limits } from '../limits.ts';
import { formatNumber } from '../statistics.ts';
import { axes, type Frame, legend, seriesClass } from './chart-frame.ts';
import { line, logScale, svg } from './svg.ts';

/** A row as the plot needs it. */
export interface RooflinePoint {
  readonly name: string;
  /** What decides the colour: the op. */
  readonly op: string;
  readonly gflops: number;
  readonly gbps: number;
}

const WIDTH = 960;
const HEIGHT = 460;
const FRAME: Frame = { left: 70, top: 30, right: 930, bottom: 405 };

/** Speed over arithmetic intensity, under the roofs of arithmetic and of memory, in cache and out of it. */
export function roofline(points: readonly RooflinePoint[], limits: Limits): string {
  const shown = points.filter(({ gflops, gbps }) => gflops > 0 && gbps > 0);
  if (shown.length === 0) return '';
  const intensity = ({ gflops, gbps }: RooflinePoint): number => gflops / gbps;
  const peak = limits.fmaGflops.f32;
  const speeds = [...limits.read, ...limits.copy];
  const cached = Math.max(...speeds.map(({ gbps }) => gbps));
  const most = Math.max(...speeds.map(({ byteLength }) => byteLength));
  const memory = Math.max(...speeds.filter(({ byteLength }) => byteLength === most).map(({ gbps }) => gbps));
  const xs = [...shown.map(intensity), peak / cached, peak / memory];
  const x = logScale(xs, FRAME.left, FRAME.right);
  const y = logScale([...shown.map(({ gflops }) => gflops), peak], FRAME.bottom, FRAME.top);
  const [first = 0.1] = x.ticks;
  const last = x.ticks.at(-1) ?? 10;
  /** From the left or the bottom of the frame, whichever comes first, up to the peak. */
  const roof = (gbps: number, label: string): string => {
    const [lowest = 0.1] = y.ticks;
    const start = Math.max(first, lowest / gbps);
    // Beside its own line, on the side away from the other: the two may lie close together.
    const isUpper = gbps === cached;
    const middle = (x(start) + x(peak / gbps)) / 2 + (isUpper ? -8 : 8);
    const height = (y(start * gbps) + y(peak)) / 2 + (isUpper ? -4 : 12);
    const words = textLine(middle, height, `${label} ${formatNumber(gbps)} GB/s`, {
      class: 'roof-text',
      'text-anchor': isUpper ? 'end' : 'start',
    });
    return line(x(start), y(start * gbps), x(peak / gbps), y(peak), 'roof') + words;
  };
  const ops = [...new Set(shown.map(({ op }) => op))];
  const dots = shown.map((point) =>
    element(
      'circle',
      {
        cx: x(intensity(point)),
        cy: y(point.gflops),
        r: 4.5,
        class: `dot ${seriesClass(ops.indexOf(point.op))}`,
      },
      element(
        'title',
        {},
        escapeXml(`${point.name}: ${formatNumber(point.gflops)} GFLOP/s, ${formatNumber(point.gbps)} GB/s`),
      ),
    ),
  );
  const picture = svg(
    WIDTH,
    HEIGHT,
    'Roofline',
    axes(FRAME, x, y, 'multiply-adds counted as two, per byte', 'GFLOP/s'),
    line(x(peak / cached), y(peak), x(last), y(peak), 'roof'),
    textLine(FRAME.right - 6, y(peak) - 8, `${formatNumber(peak)} GFLOP/s`, {
      class: 'roof-text',
      'text-anchor': 'end',
    }),
    roof(cached, 'cache'),
    roof(memory, 'memory'),
    ...dots,
  );
  return picture + legend(ops.map(escapeXml));
}
