import { colourOf, cssColour } from './colour-scale.ts';
import { element, shortened, svgDocument, textLine } from './svg.ts';

/** One picture of a sheet. */
export interface HeatPanel {
  /** Address of the picture, most often a `data:` one. */
  readonly href: string;
  readonly width: number;
  readonly height: number;
  /** Below it: what it shows. */
  readonly caption: string;
  /** Below that, smaller: its numbers. */
  readonly note: string;
}

export interface HeatSheet {
  readonly title: string;
  /** What is seen, in a sentence. */
  readonly subtitle: string;
  readonly panels: readonly HeatPanel[];
  /** Panels in a row; as many as make the sheet about as wide as high unless told. */
  readonly columns?: number;
  /** What the ends of the colour scale stand for. */
  readonly scale: readonly [least: string, largest: string];
}

const [MARGIN, GAP, HEAD, CAPTION, FOOT] = [20, 14, 54, 40, 40];
/** Characters are about half as wide as they are high. */
const [CHARACTER, SMALL_CHARACTER] = [7, 5.8];

/** Pictures in rows with their captions, and the colour scale, as SVG. */
export function heatSheet({ title, subtitle, panels, columns, scale }: HeatSheet): string {
  const [cellWidth, cellHeight] = [
    Math.max(...panels.map(({ width }) => width)),
    Math.max(...panels.map(({ height }) => height)) + CAPTION,
  ];
  const usual = panels.length <= 4 ? panels.length : Math.ceil(Math.sqrt(1.6 * panels.length));
  const across = columns ?? usual;
  const down = Math.ceil(panels.length / across);
  const width = Math.max(2 * MARGIN + across * (cellWidth + GAP) - GAP, 360);
  const height = HEAD + down * (cellHeight + GAP) + FOOT;
  const fits = Math.floor((width - 2 * MARGIN) / CHARACTER);
  const drawn = panels.map((panel, i) => {
    const x = MARGIN + (i % across) * (cellWidth + GAP);
    const y = HEAD + Math.floor(i / across) * (cellHeight + GAP);
    const characters = Math.floor(cellWidth / CHARACTER);
    return [
      element('image', { x, y, width: panel.width, height: panel.height, href: panel.href }),
      textLine(x, y + panel.height + 17, shortened(panel.caption, characters), { 'font-weight': 600 }),
      textLine(x, y + panel.height + 32, shortened(panel.note, Math.floor(cellWidth / SMALL_CHARACTER)), {
        'font-size': 11,
        fill: '#666',
      }),
    ].join('');
  });
  return svgDocument(
    width,
    height,
    textLine(MARGIN, 26, shortened(title, fits), { 'font-size': 16, 'font-weight': 600 }),
    textLine(MARGIN, 44, shortened(subtitle, Math.floor((width - 2 * MARGIN) / SMALL_CHARACTER)), {
      'font-size': 12,
      fill: '#666',
    }),
    ...drawn,
    colourBar(MARGIN, height - FOOT + 6, scale),
  );
}

const [BAR_WIDTH, BAR_STEPS] = [180, 30];

/** The colour scale with the names of its ends. */
export function colourBar(x: number, y: number, [least, largest]: readonly [string, string]): string {
  const step = BAR_WIDTH / BAR_STEPS;
  const bars = Array.from({ length: BAR_STEPS }, (_, i) =>
    element('rect', {
      x: x + i * step,
      y,
      width: step + 0.5,
      height: 12,
      fill: cssColour(colourOf(i / (BAR_STEPS - 1))),
    }),
  );
  const small = { 'font-size': 11, fill: '#666' };
  return [
    ...bars,
    textLine(x, y + 25, least, small),
    textLine(x + BAR_WIDTH, y + 25, largest, { ...small, 'text-anchor': 'end' }),
  ].join('');
}
