import { element } from '../../src/look/svg.ts';

export const line = (x1: number, y1: number, x2: number, y2: number, kind: string): string =>
  element('line', { x1, y1, x2, y2, class: kind });

/** A picture of its own width in user units, which scales down with the page. */
export const svg = (width: number, height: number, label: string, ...children: readonly string[]): string =>
  element(
    'svg',
    { viewBox: `0 0 ${width} ${height}`, width, height, role: 'img', 'aria-label': label },
    ...children,
  );

/** From values to pixels; ticks are values. */
export interface Scale {
  (value: number): number;
  readonly ticks: readonly number[];
}

/** Logarithmic, over whole decades that hold all of `values`. */
export function logScale(values: readonly number[], from: number, to: number): Scale {
  const positive = values.filter((value) => value > 0 && Number.isFinite(value));
  const low = positive.length === 0 ? 0 : Math.floor(Math.log10(Math.min(...positive)));
  const high = positive.length === 0 ? 1 : Math.max(low + 1, Math.ceil(Math.log10(Math.max(...positive))));
  const scale = (value: number): number => from + ((Math.log10(value) - low) / (high - low)) * (to - from);
  return Object.assign(scale, { ticks: Array.from({ length: high - low + 1 }, (_, i) => 10 ** (low + i)) });
}

/** Linear from 0 to the largest of `values`, with about four ticks at 1, 2 or 5 times a power of ten. */
export function linearScale(values: readonly number[], from: number, to: number): Scale {
  const most = Math.max(0, ...values.filter(Number.isFinite)) || 1;
  const rough = most / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = ([1, 2, 5, 10].find((factor) => factor * power >= rough) ?? 10) * power;
  const end = Math.ceil(most / step) * step;
  const scale = (value: number): number => from + (value / end) * (to - from);
  return Object.assign(scale, {
    ticks: Array.from({ length: Math.round(end / step) + 1 }, (_, i) => i * step),
  });
}

/** `1000`, `0.1`, `1e+6`: as short as it can be. */
export const tickText = (value: number): string =>
  value >= 1e5 || (value > 0 && value < 1e-3) ? value.toExponential(0) : String(Number(value.toPrecision(6)));
