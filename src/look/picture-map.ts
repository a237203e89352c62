import { escapeXml } from '../core/escape-xml.ts';
import { element, shortened, svgDocument, textLine } from './svg.ts';

/** A picture on a map. */
export interface MapPoint {
  readonly href: string;
  readonly width: number;
  readonly height: number;
  readonly name: string;
  readonly x: number;
  readonly y: number;
}

export interface PictureMap {
  readonly title: string;
  readonly points: readonly MapPoint[];
  /** Share of the variance that each axis holds. */
  readonly explained: readonly number[];
}

const [MARGIN, HEAD, FOOT, SIDE] = [24, 58, 34, 900];

/** Thumbnails where their vectors lie, as SVG; later ones lie over earlier ones. Both axes have one scale. */
export function pictureMap({ title, points, explained }: PictureMap): string {
  const largest = Math.max(...points.map(({ width, height }) => Math.max(width, height)), 1);
  const inner = SIDE - 2 * MARGIN - largest;
  const [xs, ys] = [points.map(({ x }) => x), points.map(({ y }) => y)];
  const [left, top] = [Math.min(...xs), Math.max(...ys)];
  const [across, down] = [Math.max(...xs) - left, top - Math.min(...ys)];
  const scale = inner / (Math.max(across, down) || 1);
  const begin = MARGIN + largest / 2;
  const drawn = points.map(({ href, name, x, y, width, height }) => {
    const [cx, cy] = [begin + (x - left) * scale, HEAD + largest / 2 + (top - y) * scale];
    return [
      element(
        'image',
        { x: cx - width / 2, y: cy - height / 2, width, height, href },
        // Shown by browsers where the pointer rests.
        element('title', {}, escapeXml(name)),
      ),
      textLine(cx, cy + height / 2 + 11, shortened(name, 18), {
        'text-anchor': 'middle',
        'font-size': 10,
        fill: '#333',
        // Readable over other pictures too.
        stroke: '#fff',
        'stroke-width': 3,
        'paint-order': 'stroke',
      }),
    ].join('');
  });
  const height = HEAD + largest + down * scale + 20 + FOOT;
  const [first = 0, second = 0] = explained.map((share) => Math.round(100 * share));
  return svgDocument(
    Math.max(2 * MARGIN + largest + across * scale, 480),
    height,
    textLine(MARGIN, 26, title, { 'font-size': 16, 'font-weight': 600 }),
    textLine(
      MARGIN,
      44,
      `Pictures that the model sees alike lie close together. Across: ${first} % of all differences; up: ${second} %.`,
      { 'font-size': 12, fill: '#666' },
    ),
    ...drawn,
  );
}
