import type { KernelReport, KernelRow } from '../protocol.ts';
import { createSvg } from './elements.ts';
import { number, percent } from './quantities.ts';

const [WIDTH, HEIGHT] = [720, 400];
const EDGE = { left: 58, right: 18, top: 18, bottom: 46 } as const;

/** A logarithmic axis from one power of ten to another. */
interface Axis {
  readonly from: number;
  readonly to: number;
  at(value: number): number;
}

function axis(values: readonly number[], begin: number, end: number): Axis {
  const from = Math.floor(Math.log10(Math.min(...values)));
  const to = Math.max(Math.ceil(Math.log10(Math.max(...values))), from + 1);
  return { from, to, at: (value) => begin + ((Math.log10(value) - from) / (to - from)) * (end - begin) };
}

/**
 * GFLOP/s over FLOP per byte, with the roof that arithmetic and memory make (Williams, Waterman and Patterson 2009).
 * Kernels that only move bytes have no FLOP and are left out.
 */
export function drawRoofline(
  svg: SVGSVGElement,
  rows: readonly KernelRow[],
  peak: KernelReport['peak'],
): void {
  const shown = rows.filter(({ gflops, intensity }) => gflops > 0 && intensity > 0);
  const ridge = peak.gflops / peak.gbps;
  const x = axis(
    [...shown.map(({ intensity }) => intensity), ridge / 4, ridge * 4],
    EDGE.left,
    WIDTH - EDGE.right,
  );
  const y = axis(
    [...shown.map(({ gflops }) => gflops), peak.gflops / 10, peak.gflops * 1.5],
    HEIGHT - EDGE.bottom,
    EDGE.top,
  );
  const [least, most] = [10 ** x.from, 10 ** x.to];
  const bottom = 10 ** y.from;
  const roof = [
    [Math.max(least, bottom / peak.gbps), Math.max(least * peak.gbps, bottom)],
    [ridge, peak.gflops],
    [most, peak.gflops],
  ] as const;
  svg.setAttribute('viewBox', `0 0 ${WIDTH} ${HEIGHT}`);
  svg.replaceChildren(
    ...grid(x, y),
    createSvg('polyline', {
      class: 'roof',
      points: roof.map(([u, v]) => `${x.at(u).toFixed(1)},${y.at(v).toFixed(1)}`).join(' '),
    }),
    text(
      x.at(most) - 6,
      y.at(peak.gflops) - 8,
      `${number(peak.gflops)} GFLOP/s of multiply-adds`,
      'end',
      'roof-name',
    ),
    slopeName(x, y, roof[0], roof[1], `${number(peak.gbps)} GB/s of reads`),
    ...points(shown, x, y),
  );
}

function grid(x: Axis, y: Axis): SVGElement[] {
  const powers = ({ from, to }: Axis): number[] =>
    Array.from({ length: to - from + 1 }, (_, i) => 10 ** (from + i));
  const [left, right, top, bottom] = [EDGE.left, WIDTH - EDGE.right, EDGE.top, HEIGHT - EDGE.bottom];
  return [
    ...powers(x).flatMap((power) => [
      createSvg('line', { class: 'grid', x1: x.at(power), x2: x.at(power), y1: top, y2: bottom }),
      text(x.at(power), bottom + 18, String(power), 'middle', 'tick'),
    ]),
    ...powers(y).flatMap((power) => [
      createSvg('line', { class: 'grid', x1: left, x2: right, y1: y.at(power), y2: y.at(power) }),
      text(left - 8, y.at(power) + 4, String(power), 'end', 'tick'),
    ]),
    text((left + right) / 2, HEIGHT - 6, 'FLOP per byte', 'middle', 'axis-name'),
    createSvg(
      'text',
      {
        class: 'axis-name',
        'text-anchor': 'middle',
        transform: `translate(14 ${(top + bottom) / 2}) rotate(-90)`,
      },
      'GFLOP/s',
    ),
  ];
}

const [LETTER, LINE] = [6.2, 11];

/** A tessera for each kernel. Its name stands beside it where there is room; its title and the table have it anyway. */
function points(rows: readonly KernelRow[], x: Axis, y: Axis): SVGElement[] {
  const taken: (readonly [left: number, right: number, middle: number])[] = [];
  return rows.map(({ op, shape, dtype, gflops, intensity, fraction }) => {
    const [cx, cy] = [x.at(intensity), y.at(gflops)];
    const [left, right] = [cx - 6, cx + 10 + LETTER * op.length];
    const isFree = taken.every(([l, r, middle]) => right < l || left > r || Math.abs(middle - cy) > LINE);
    taken.push([left, isFree ? right : cx + 6, cy]);
    const family = [...op].reduce((sum, letter) => sum + letter.charCodeAt(0), 0) % 6;
    return createSvg(
      'g',
      { class: `kernel tile-${family}` },
      createSvg('rect', {
        x: cx - 6,
        y: cy - 6,
        width: 12,
        height: 12,
        rx: 2,
        transform: `rotate(8 ${cx} ${cy})`,
      }),
      ...(isFree ? [text(cx + 10, cy + 4, op, 'start', 'kernel-name')] : []),
      createSvg(
        'title',
        {},
        `${op} ${shape} ${dtype}: ${number(gflops)} GFLOP/s, ${percent(fraction)} of the limit`,
      ),
    );
  });
}

type Point = readonly [intensity: number, gflops: number];

/** A text that lies along the line between two points. */
function slopeName(x: Axis, y: Axis, [u0, v0]: Point, [u1, v1]: Point, content: string): SVGElement {
  const [dx, dy] = [x.at(u1) - x.at(u0), y.at(v1) - y.at(v0)];
  const [cx, cy] = [x.at(u0) + dx / 2, y.at(v0) + dy / 2];
  const angle = (Math.atan2(dy, dx) * 180) / Math.PI;
  return createSvg(
    'text',
    {
      class: 'roof-name',
      'text-anchor': 'middle',
      transform: `translate(${cx.toFixed(1)} ${cy.toFixed(1)}) rotate(${angle.toFixed(1)}) translate(0 -8)`,
    },
    content,
  );
}

const text = (
  x: number,
  y: number,
  content: string,
  anchor: 'start' | 'middle' | 'end',
  name: string,
): SVGElement =>
  createSvg('text', { x: x.toFixed(1), y: y.toFixed(1), 'text-anchor': anchor, class: name }, content);
