import type { Picture } from '../image/picture.ts';
import { resize } from '../image/resize.ts';
import { colourOf } from './colour-scale.ts';
import { type HeatMap, valueAt } from './heat-map.ts';

/** Size and scale of a painted map. */
export interface PaintOptions {
  /** Longer edge of the result in pixels; default the picture's own. */
  readonly edge?: number;
  /** Values that are shown darkest and lightest; default the least and the largest of the maps. */
  readonly range?: readonly [least: number, largest: number];
  /**
   * Where several maps cover a point, as of tiles and of the whole picture: `finest` (the default) takes the one of the
   * smallest patches; `add` is for shares of something, such as attention, each spread over its patch.
   */
  readonly combine?: 'finest' | 'add';
}

/** How much of the picture the colour covers, at the least value and at the largest. */
const COVER = [0.15, 0.8] as const;
/** What is left of the picture's colours, so that they are not taken for heat. */
const SATURATION = 0.3;
/** What is left of the picture's light: within the maps, and where none covers it. */
const LIGHT = [0.8, 0.35] as const;

/** Heat over a picture in faint colours, which is darkened where no map covers it. */
export function paintHeat(picture: Picture, maps: readonly HeatMap[], options: PaintOptions = {}): Picture {
  const { edge = Math.max(picture.width, picture.height) } = options;
  const factor = edge / Math.max(picture.width, picture.height);
  const [width, height] = [picture.width, picture.height].map((size) =>
    Math.max(1, Math.round(size * factor)),
  );
  const base = resize(picture, width ?? 1, height ?? 1, 'bicubic');
  const heat = heatOf(maps, base, options.combine ?? 'finest');
  const [least, largest] = options.range ?? rangeOf(heat);
  const data = new Uint8Array(base.data.length);
  heat.forEach((value, i) => {
    const [red = 0, green = 0, blue = 0] = base.data.subarray(3 * i, 3 * i + 3);
    const grey = 0.299 * red + 0.587 * green + 0.114 * blue;
    const level = value !== null && largest > least ? (value - least) / (largest - least) : 0;
    const cover = value === null ? 0 : COVER[0] + (COVER[1] - COVER[0]) * Math.min(Math.max(level, 0), 1);
    const light = value === null ? LIGHT[1] : LIGHT[0];
    const heated = colourOf(level);
    [red, green, blue].forEach((channel, c) => {
      const seen = light * (grey + SATURATION * (channel - grey));
      data[3 * i + c] = Math.round(seen * (1 - cover) + (heated[c] ?? 0) * cover);
    });
  });
  return { width: base.width, height: base.height, data };
}

/** The maps' value at each pixel, null where none covers it. */
function heatOf(
  maps: readonly HeatMap[],
  { width, height }: Pick<Picture, 'width' | 'height'>,
  combine: 'finest' | 'add',
): (number | null)[] {
  const layers = maps.map((map) => ({ map, density: densityOf(map) })).sort((a, b) => b.density - a.density);
  const coarsest = layers.at(-1)?.density ?? 1;
  return Array.from({ length: width * height }, (_, i) => {
    const [x, y] = [((i % width) + 0.5) / width, (Math.floor(i / width) + 0.5) / height];
    let sum: number | null = null;
    for (const { map, density } of layers) {
      const value = valueAt(map, x, y);
      if (value === null) continue;
      if (combine === 'finest') return value;
      sum = (sum ?? 0) + (value * density) / coarsest;
    }
    return sum;
  });
}

/** Patches that would cover the whole picture. */
const densityOf = ({ rows, columns, area: [left, top, right, bottom] }: HeatMap): number =>
  (rows * columns) / ((right - left) * (bottom - top));

function rangeOf(values: readonly (number | null)[]): readonly [number, number] {
  let [least, largest] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const value of values) {
    if (value === null) continue;
    least = Math.min(least, value);
    largest = Math.max(largest, value);
  }
  return [least, largest];
}
