import { expect, test } from 'vitest';
import { escapeXml } from '../../src/core/escape-xml.ts';
import { decodePicture } from '../../src/image/decode.ts';
import { drawSvg, encodePng } from '../../src/image/encode-node.ts';
import type { Picture } from '../../src/image/picture.ts';
import { colourOf, cssColour } from '../../src/look/colour-scale.ts';
import { heatSheet } from '../../src/look/heat-sheet.ts';
import { lensChart } from '../../src/look/lens-chart.ts';
import { pictureMap } from '../../src/look/picture-map.ts';
import { principalComponents } from '../../src/look/principal-components.ts';
import { softmaxRow, topOf } from '../../src/look/softmax.ts';
import { element, shortened, svgDocument } from '../../src/look/svg.ts';

const filled = (width: number, height: number, colour: readonly number[]): Picture => ({
  width,
  height,
  data: Uint8Array.from({ length: width * height * 3 }, (_, i) => colour[i % 3] ?? 0),
});
const address = async (picture: Picture) =>
  `data:image/png;base64,${Buffer.from(await encodePng(picture)).toString('base64')}`;
const pixelOf = ({ width, data }: Picture, x: number, y: number) => [
  ...data.subarray(3 * (y * width + x), 3 * (y * width + x) + 3),
];
/** Attributes of the elements of a kind. */
const attributesOf = (svg: string, name: string) =>
  [...svg.matchAll(new RegExp(`<${name} ([^>]*)>`, 'g'))].map(([, text = '']) =>
    Object.fromEntries([...text.matchAll(/([\w-]+)="([^"]*)"/g)].map(([, key, value]) => [key, value])),
  );

test('a picture becomes a PNG file and comes back', async () => {
  const picture = { width: 3, height: 2, data: Uint8Array.from({ length: 18 }, (_, i) => i * 14) };
  const { width, height, data } = await decodePicture(await encodePng(picture));
  expect({ width, height, data: Uint8Array.from(data) }).toEqual(picture);
});

test('texts can hold nothing that is markup, or that XML forbids', async () => {
  expect(escapeXml('a<b>&"c"\u0000\ud800é')).toBe('a&lt;b&gt;&amp;&quot;c&quot;\ufffd\ufffdé');
  expect(shortened('strawberry', 6)).toBe('straw…');
  expect(shortened('pear', 6)).toBe('pear');
  const svg = svgDocument(40, 20, element('text', { x: 1 / 3, y: 9 }, escapeXml('</svg><script>\u0007')));
  expect(svg).toContain('<text x="0.33" y="9">&lt;/svg&gt;&lt;script&gt;\ufffd</text>');
  // It is well-formed: librsvg refuses what is not.
  expect(await decodePicture(await drawSvg(svg))).toMatchObject({ width: 80, height: 40 });
  await expect(drawSvg('<svg xmlns="http://www.w3.org/2000/svg"><text>')).rejects.toThrow();
});

test('a sheet shows each picture in its place', async () => {
  const [red, blue] = [filled(8, 8, [200, 10, 20]), filled(8, 8, [10, 20, 200])];
  const panel = { width: 100, height: 100, caption: 'a <cat>', note: '40 %' };
  const svg = heatSheet({
    title: 'Title & more',
    subtitle: 'said in a sentence',
    panels: [
      { ...panel, href: await address(red) },
      { ...panel, href: await address(blue) },
    ],
    columns: 2,
    scale: ['none', 'most'],
  });
  expect(svg).toContain('Title &amp; more');
  expect(svg).toContain('a &lt;cat&gt;');
  const [first, second] = attributesOf(svg, 'image');
  expect([first?.x, second?.x, first?.y]).toEqual(['20', '134', '54']);
  const drawn = await decodePicture(await drawSvg(svg, 1));
  expect([drawn.width, drawn.height]).toEqual([360, 248]);
  expect(pixelOf(drawn, 70, 100)).toEqual([200, 10, 20]);
  expect(pixelOf(drawn, 184, 100)).toEqual([10, 20, 200]);
  expect(pixelOf(drawn, 300, 100)).toEqual([255, 255, 255]);
  expect(pixelOf(drawn, 21, 220)).toEqual([...colourOf(0)]);
});

test('a lens is a table, the last layer on top, coloured by probability', async () => {
  const token = (id: number, probability: number) => ({ id, text: `t${id}`, probability });
  const svg = lensChart(
    {
      positions: [
        { position: 7, id: 1, text: 'a', nextId: 5 },
        { position: 8, id: 5, text: 't5', nextId: null },
      ],
      layers: [
        { layer: 0, top: [[token(1, 1)], [token(5, 0.5)]] },
        { layer: 1, top: [[token(5, 0.25)], [token(2, 0.75)]] },
      ],
    },
    'an answer',
  );
  const cells = attributesOf(svg, 'rect').filter(({ rx }) => rx === '3');
  expect(cells.map(({ fill }) => fill)).toEqual(
    [0.25, 0.75, 1, 0.5].map((value) => cssColour(colourOf(value))),
  );
  expect(cells.map(({ y }) => y)).toEqual(['93', '93', '127', '127']);
  // What comes next is bold where a layer has it.
  expect(attributesOf(svg, 'text').filter((text) => text['font-weight'] === '700')).toHaveLength(1);
  const drawn = await decodePicture(await drawSvg(svg, 1));
  expect(pixelOf(drawn, 20 + 92 + 4, 130)).toEqual([...colourOf(1)]);
});

test('a map puts pictures where their vectors are, both axes to one scale', async () => {
  const href = await address(filled(4, 4, [0, 128, 0]));
  const point = (name: string, x: number, y: number) => ({ href, name, x, y, width: 40, height: 40 });
  const svg = pictureMap({
    title: 'three',
    points: [point('a', 0, 0), point('b', 4, 0), point('c"', 0, 1)],
    explained: [0.75, 0.2],
  });
  const [a, b, c] = attributesOf(svg, 'image').map(({ x, y }) => [Number(x), Number(y)]);
  expect((b?.[0] ?? 0) - (a?.[0] ?? 0)).toBeCloseTo(4 * ((a?.[1] ?? 0) - (c?.[1] ?? 0)), 1);
  expect([b?.[1], c?.[0]]).toEqual([a?.[1], a?.[0]]);
  expect(svg).toContain('<title>c&quot;</title>');
  expect(svg).toContain('Across: 75 % of all differences; up: 20 %');
  await expect(drawSvg(svg)).resolves.toBeDefined();
});

test('principal components: points on a line, an ellipse, and the same seen as rows or columns', () => {
  const line = principalComponents([
    [0, 0, 0],
    [1, 2, 2],
    [3, 6, 6],
  ]);
  // Unit steps along the line are 3 long, and the middle is at 4/3 of them.
  expect(line.points.map(([x = 0]) => x)).toEqual([
    expect.closeTo(-4, 9),
    expect.closeTo(-1, 9),
    expect.closeTo(5, 9),
  ]);
  expect(line.explained).toEqual([expect.closeTo(1, 9), expect.closeTo(0, 9)]);
  const ellipse = Array.from({ length: 40 }, (_, i) => [
    3 * Math.cos((i * Math.PI) / 20) + 7,
    Math.sin((i * Math.PI) / 20) - 2,
  ]);
  const { points, explained } = principalComponents(ellipse);
  expect(explained).toEqual([expect.closeTo(0.9, 9), expect.closeTo(0.1, 9)]);
  expect(Math.abs(points[0]?.[0] ?? 0)).toBeCloseTo(3, 9);
  // Fewer vectors than values go through the other product, with the same result.
  const wide = ellipse.slice(0, 5).map(([x = 0, y = 0]) => [x, y, 0, 0, 0, 0, 0, 0]);
  const tall = principalComponents(ellipse.slice(0, 5));
  principalComponents(wide).points.forEach(([x = 0, y = 0], i) => {
    expect(x).toBeCloseTo(tall.points[i]?.[0] ?? Number.NaN, 9);
    expect(y).toBeCloseTo(tall.points[i]?.[1] ?? Number.NaN, 9);
  });
  expect(principalComponents([[1], [1]]).points).toEqual([
    [0, 0],
    [0, 0],
  ]);
  expect(() => principalComponents([[1, 2], [1]])).toThrow('2 and 1 values');
});

test('softmax and the largest values', () => {
  const row = softmaxRow(Float32Array.of(1000, 1001, 999));
  expect(row[1]).toBeCloseTo(1 / (1 + Math.exp(-1) + Math.exp(-2)), 6);
  expect(topOf(Float32Array.of(0.1, 0.4, 0.4, 0.05), 3).map(({ index }) => index)).toEqual([1, 2, 0]);
  expect(topOf(Float32Array.of(1, 2), 5)).toHaveLength(2);
});
