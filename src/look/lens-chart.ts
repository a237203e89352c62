import { colourOf, cssColour, inkOn } from './colour-scale.ts';
import { colourBar } from './heat-sheet.ts';
import type { LogitLens } from './logit-lens.ts';
import { element, shortened, svgDocument, textLine } from './svg.ts';

const [MARGIN, HEAD, FOOT, LABEL, CELL_WIDTH, CELL_HEIGHT] = [20, 92, 44, 92, 96, 34];
const CHARACTERS = 12;

/** The likeliest token of every layer at every place, as SVG: the last layer on top, where the answer is read. */
export function lensChart({ positions, layers }: LogitLens, title: string): string {
  const width = Math.max(2 * MARGIN + LABEL + positions.length * CELL_WIDTH, 460);
  const height = HEAD + layers.length * CELL_HEIGHT + FOOT;
  const column = (i: number): number => MARGIN + LABEL + i * CELL_WIDTH;
  const centred = { 'text-anchor': 'middle' };
  const heads = positions.flatMap(({ position, text }, i) => [
    textLine(column(i) + CELL_WIDTH / 2, HEAD - 22, shortened(text, CHARACTERS), {
      ...centred,
      'font-weight': 600,
    }),
    textLine(column(i) + CELL_WIDTH / 2, HEAD - 8, String(position), {
      ...centred,
      'font-size': 10,
      fill: '#888',
    }),
  ]);
  const rows = layers.toReversed().flatMap(({ layer, top }, row) => {
    const y = HEAD + row * CELL_HEIGHT;
    const name = layer === 0 ? 'embeddings' : `layer ${layer}`;
    const cells = top.map(([best], i) => {
      const colour = colourOf(best?.probability ?? 0);
      const x = column(i);
      const ink = { ...centred, fill: inkOn(colour) };
      const isRight = best?.id === positions[i]?.nextId;
      return [
        element('rect', {
          x: x + 1,
          y: y + 1,
          width: CELL_WIDTH - 2,
          height: CELL_HEIGHT - 2,
          rx: 3,
          fill: cssColour(colour),
        }),
        textLine(x + CELL_WIDTH / 2, y + 15, shortened(best?.text ?? '', CHARACTERS), {
          ...ink,
          ...(isRight ? { 'font-weight': 700 } : {}),
        }),
        textLine(x + CELL_WIDTH / 2, y + 28, percent(best?.probability ?? 0), { ...ink, 'font-size': 10 }),
      ].join('');
    });
    return [textLine(MARGIN, y + 21, name, { fill: '#666' }), ...cells];
  });
  return svgDocument(
    width,
    height,
    textLine(MARGIN, 26, title, { 'font-size': 16, 'font-weight': 600 }),
    textLine(MARGIN, 44, 'What each layer would write after the token above; bold where it is what comes.', {
      'font-size': 12,
      fill: '#666',
    }),
    ...heads,
    ...rows,
    colourBar(MARGIN, height - FOOT + 10, ['unlikely', 'certain']),
  );
}

const percent = (probability: number): string =>
  `${(100 * probability).toFixed(probability < 0.1 ? 1 : 0)} %`;
