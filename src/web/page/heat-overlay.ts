import { colourOf, cssColour } from '../../look/colour-scale.ts';
import type { HeatMap } from '../../look/heat-map.ts';
import { createSvg } from './elements.ts';

/** Space between tesserae, in parts of one. */
const GROUT = 0.07;
/** How much of the picture a tessera covers, at no attention and at the most. */
const COVER = [0.12, 0.86] as const;

/** A tessera for each patch that the model saw, coloured by its value; all maps share one scale that begins at zero. */
export function drawHeat(svg: SVGSVGElement, maps: readonly HeatMap[]): void {
  const largest = Math.max(...maps.flatMap(({ values }) => [...values]), Number.MIN_VALUE);
  const tesserae = maps.flatMap(({ rows, columns, values, area: [left, top, right, bottom] }) => {
    const [width, height] = [(right - left) / columns, (bottom - top) / rows];
    return Array.from({ length: rows * columns }, (_, i) => ({
      x: left + ((i % columns) + GROUT / 2) * width,
      y: top + (Math.floor(i / columns) + GROUT / 2) * height,
      width: width * (1 - GROUT),
      height: height * (1 - GROUT),
      rx: width * 0.1,
      ry: height * 0.1,
      level: (values[i] ?? 0) / largest,
    }));
  });
  // Where the grid is the one that is shown, tesserae only change colour.
  const shown = [...svg.querySelectorAll('rect')];
  const isSame = shown.length === tesserae.length;
  const drawn = tesserae.map(({ level, ...place }, i) => {
    const rect = (isSame ? shown[i] : undefined) ?? createSvg('rect');
    for (const [name, value] of Object.entries(place)) rect.setAttribute(name, value.toFixed(5));
    rect.setAttribute('fill', cssColour(colourOf(level)));
    rect.setAttribute('fill-opacity', (COVER[0] + (COVER[1] - COVER[0]) * level).toFixed(3));
    rect.dataset.level = level.toFixed(4);
    return rect;
  });
  if (!isSame) svg.replaceChildren(...drawn);
}
