import { basename, extname } from 'node:path';
import { drawSvg, encodePng } from '../image/encode-node.ts';
import type { Picture } from '../image/picture.ts';
import { heatSheet } from '../look/heat-sheet.ts';
import { paintHeat } from '../look/paint-heat.ts';
import type { Terminal } from './command.ts';
import type { LookSheet } from './look-sheet.ts';
import { writeWhole } from './write-whole.ts';

/** Longer edge of a panel in units; its picture has twice as many pixels. */
const EDGES: readonly (readonly [panels: number, edge: number])[] = [
  [2, 320],
  [5, 260],
  [14, 190],
  [Number.POSITIVE_INFINITY, 132],
];

/** The sheet as SVG, its pictures within it. */
export async function drawSheet(picture: Picture, sheet: LookSheet): Promise<string> {
  const { title, subtitle, panels, columns, scale, combine } = sheet;
  const [, edge = 200] = EDGES.find(([most]) => panels.length <= most) ?? [];
  const factor = edge / Math.max(picture.width, picture.height);
  const size = { width: picture.width * factor, height: picture.height * factor };
  const drawn = panels.map(async ({ caption, note, maps, range }) => {
    const painted = paintHeat(picture, maps, {
      edge: 2 * edge,
      ...(range && { range }),
      ...(combine && { combine }),
    });
    return { caption, note, href: await pngAddress(painted), ...size };
  });
  const note = `${picture.width} x ${picture.height} pixels`;
  const original = { caption: 'the picture', note, href: await pngAddress(picture), ...size };
  return heatSheet({
    title,
    subtitle,
    scale,
    panels: [...(columns ? [] : [original]), ...(await Promise.all(drawn))],
    ...(columns && { columns }),
  });
}

/** A picture as an address that holds it. */
export const pngAddress = async (picture: Picture): Promise<string> =>
  `data:image/png;base64,${Buffer.from(await encodePng(picture)).toString('base64')}`;

/** `scene-attention.svg` of `photos/scene.png`. */
export const defaultOutput = (input: string, kind: string): string =>
  `${basename(input, extname(input)) || 'picture'}-${kind}.svg`;

/** Writes the drawing as its name's ending says, and names it on stdout, or on stderr where stdout holds JSON. */
export async function writeDrawing(
  path: string,
  svg: string,
  { stdout, stderr }: Terminal,
  json: boolean,
): Promise<void> {
  await writeWhole(path, /\.png$/i.test(path) ? await drawSvg(svg) : svg);
  (json ? stderr : stdout).write(`${path}\n`);
}
