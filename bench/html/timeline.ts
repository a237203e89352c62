import { escapeXml } from '../../src/core/escape-xml.ts';
import { element, textLine } from '../../src/look/svg.ts';
import { formatNumber } from '../statistics.ts';
import { legend, seriesClass } from './chart-frame.ts';
import { linearScale, svg, tickText } from './svg.ts';

/** GPU time of one dispatch, in the order they run. */
export interface TimelineDispatch {
  /** Scope and op. */
  readonly label: string;
  /** Kernel and tuning. */
  readonly kernel: string;
  readonly timeMs: number;
}

const WIDTH = 960;
const LEFT = 10;
const RIGHT = 950;
const LANE = 26;

/** One token's dispatches end to end, and above them the layers that they belong to, like a flame graph. */
export function timeline(dispatches: readonly TimelineDispatch[]): string {
  const total = dispatches.reduce((sum, { timeMs }) => sum + timeMs, 0);
  if (total === 0) return '';
  const x = linearScale([total], LEFT, RIGHT);
  const kernels = [...new Set(dispatches.map(({ kernel }) => kernelName(kernel)))];
  const rect = (
    lane: number,
    from: number,
    ms: number,
    kind: string,
    name: string,
    title: string,
  ): string => {
    const width = Math.max(0.5, x(from + ms) - x(from) - 0.6);
    const words =
      width > 7 * name.length ? textLine(x(from) + 4, 30 + lane * LANE + 15, name, { class: 'in-bar' }) : '';
    const box = { x: x(from), y: 30 + lane * LANE, width, height: LANE - 4, rx: 2, class: kind };
    return element('rect', box, element('title', {}, escapeXml(title))) + words;
  };
  let at = 0;
  const boxes: string[] = [];
  const groups: { name: string; from: number; ms: number }[] = [];
  for (const { label, kernel, timeMs } of dispatches) {
    const name = kernelName(kernel);
    const title = `${label}: ${formatNumber(timeMs * 1000)} µs, ${kernel}`;
    boxes.push(rect(1, at, timeMs, `bar ${seriesClass(kernels.indexOf(name))}`, name, title));
    const group = layerOf(label);
    const last = groups.at(-1);
    if (last?.name === group) last.ms += timeMs;
    else groups.push({ name: group, from: at, ms: timeMs });
    at += timeMs;
  }
  const layers = groups.map(({ name, from, ms }) =>
    rect(0, from, ms, 'layer', name, `${name}: ${formatNumber(ms)} ms`),
  );
  const ticks = x.ticks
    .filter((tick) => x(tick) <= RIGHT)
    .map((tick) =>
      textLine(x(tick), 20, `${tickText(tick)} ms`, {
        class: 'tick',
        'text-anchor': tick === 0 ? 'start' : 'end',
      }),
    );
  return (
    svg(WIDTH, 34 + 2 * LANE, 'Dispatches of one token', ...ticks, ...layers, ...boxes) +
    legend(kernels.map(escapeXml))
  );
}

/** `linear_columns{rows: 1}` → `linear_columns` */
const kernelName = (kernel: string): string => kernel.split('{')[0] ?? kernel;

/** `layers.3 linear q_proj` and `layers.3.mlp ...` → `layers.3` */
export const layerOf = (label: string): string => /layers\.\d+/.exec(label)?.[0] ?? 'before and after';
