import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { lookCommand } from '../../src/cli/look.ts';
import { UsageError } from '../../src/cli/usage-error.ts';
import { decodePicture } from '../../src/image/decode.ts';
import { testAdapters } from '../adapters.ts';
import { goldenPath } from '../read-golden.ts';
import { runCli } from './run-cli.ts';
import { runCommand } from './run-command.ts';

const SCENE = 'examples/scene.png';
let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'tessera-look-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface SheetJson {
  readonly kind: string;
  readonly panels: readonly {
    readonly token?: string;
    readonly share?: number;
    readonly layer?: number | string;
    readonly head?: number | string;
    readonly maps: readonly { readonly rows: number; readonly columns: number; readonly values: number[] }[];
  }[];
}

test.each([
  [['attention'], 'look needs attention|rollout|similarity|lens|map PICTURE|FOLDER'],
  [['atention', SCENE], 'look can\'t show "atention". Did you mean attention?'],
  [['attention', SCENE, '--text', 'cat'], 'look attention does not read --text'],
  [['similarity', SCENE], 'look similarity needs --text'],
  [['lens', SCENE, '--output', 'lens.pdf'], 'expected a name that ends in .svg or .png'],
])('%j is wrong usage', async (args, message) => {
  const error = await runCommand(lookCommand, args).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(UsageError);
  expect(String(error)).toContain(message);
});

test('the help names the kinds, with examples', async () => {
  const { code, stdout } = await runCli(['look', '--help']);
  expect(code).toBe(0);
  for (const line of ['Usage: tessera look', '  rollout     the same through', 'tessera look lens photo.jpg'])
    expect(stdout).toContain(line);
});

// On one adapter: what is drawn is tested on all of them in test/look.
const adapter = testAdapters().at(-1) ?? 'none';

describe.skipIf(adapter === 'none')(`look on ${adapter}`, () => {
  const look = (...args: string[]) => runCommand(lookCommand, [...args, '--adapter', adapter]);
  const json = async (...args: string[]): Promise<SheetJson> => {
    const { code, stdout } = await look(...args, '--json');
    expect(code).toBe(0);
    return JSON.parse(stdout) as SheetJson;
  };

  test('attention of an answer: a map per word, and shares of the whole', async () => {
    const { kind, panels } = await json(
      'attention',
      SCENE,
      '--token',
      'carrot',
      '--layer',
      '1',
      '--head',
      'all',
    );
    expect(kind).toBe('attention');
    expect(panels.map(({ token, layer, head }) => [token, layer, head])).toEqual(
      Array.from({ length: 6 }, (_, head) => ['carrot', 1, head]),
    );
    for (const { share = 0, maps } of panels) {
      const [map] = maps;
      expect([maps.length, map?.rows, map?.columns]).toEqual([1, 8, 8]);
      expect(map?.values.reduce((sum, value) => sum + value, 0)).toBeCloseTo(share, 5);
      // Every head of this layer looks at the carrot alone, which lies on rows 4 and 5.
      expect(share).toBeGreaterThan(0.9);
      expect(map?.values.slice(32, 48).reduce((sum, value) => sum + value, 0)).toBeGreaterThan(0.9);
    }
  });

  test('draws PNG and SVG, names them, and leaves nothing half-written', async () => {
    const png = join(folder, `${adapter}.png`);
    const drawn = await look('similarity', SCENE, '--text', 'carrot', '--output', png);
    expect([drawn.code, drawn.stdout]).toEqual([0, `${png}\n`]);
    const { width, height, data } = await decodePicture(readFileSync(png));
    // The picture and one map of 320 units each, twice as many pixels.
    expect([width, height]).toEqual([2 * (20 + 320 + 14 + 320 + 20), 2 * (54 + 320 + 40 + 14 + 40)]);
    const at = (x: number, y: number) => [
      ...data.subarray(3 * (Math.round(2 * y) * width + Math.round(2 * x))).subarray(0, 3),
    ];
    const [original, map] = [
      [20, 54],
      [354, 54],
    ] as const;
    // Grey in the picture's corner; light where the carrot is, dark elsewhere.
    const corner = at(original[0] + 4, original[1] + 4);
    expect(Math.max(...corner) - Math.min(...corner)).toBeLessThan(20);
    const [light = []] = [at(map[0] + 0.45 * 320, map[1] + 0.69 * 320)];
    expect(light[0]).toBeGreaterThan(200);
    expect(light[2]).toBeLessThan(150);
    expect(Math.max(...at(map[0] + 32, map[1] + 32))).toBeLessThan(130);

    const nowhere = join(folder, 'none', 'a.svg');
    await expect(look('rollout', SCENE, '--of', 'vision', '--output', nowhere)).rejects.toThrow(
      'cannot be written',
    );
    expect(readdirSync(folder).filter((file) => !file.endsWith('.png'))).toEqual([]);
  });

  test('the lens is a table on stdout, and a chart where one is asked for', async () => {
    const svg = join(folder, `${adapter}-lens.svg`);
    const { code, stdout } = await look(
      'lens',
      SCENE,
      '--prompt',
      'What colour is the background?',
      '--output',
      svg,
    );
    expect(code).toBe(0);
    const lines = stdout.split('\n');
    expect(lines[0]).toMatch(/^after +:/);
    expect(lines.slice(1, 6).map((line) => line.split(/ {2,}/)[0])).toEqual([
      'layer 4',
      'layer 3',
      'layer 2',
      'layer 1',
      'embeddings',
    ]);
    expect(lines[1]?.toLowerCase()).toContain('grey');
    expect(lines.at(-2)).toBe(svg);
    expect(readFileSync(svg, 'utf8')).toMatch(/^<svg .*<\/svg>\n$/s);
    rmSync(svg);
  });

  test('a folder becomes a map; what is no picture is named and left out', async () => {
    const pictures = mkdtempSync(join(folder, 'pictures-'));
    for (const name of ['scene.png', 'scene-01.png', 'scene-02.png'])
      writeFileSync(join(pictures, name), readFileSync(`examples/${name}`));
    writeFileSync(join(pictures, 'broken.png'), 'no picture');
    const svg = join(folder, `${adapter}-map.svg`);
    const { code, stdout, stderr } = await look('map', pictures, '--output', svg);
    expect([code, stdout]).toEqual([0, `${svg}\n`]);
    expect(stderr).toContain('skipped');
    expect(stderr).toContain('broken.png');
    expect(readFileSync(svg, 'utf8').match(/<image /g)).toHaveLength(3);
    rmSync(svg);
    rmSync(pictures, { recursive: true });
  });

  test('a model that compares: its class token, or its pooling head, and texts in the picture', async () => {
    const checkpoint = (name: string) => ['--model', fileURLToPath(goldenPath(name))];
    const image = fileURLToPath(goldenPath('clip/image_0.png'));
    const clip = await json('attention', image, ...checkpoint('clip'));
    expect(clip.panels.map(({ layer }) => layer)).toEqual([0, 1, 2]);
    expect(clip.panels[0]?.maps[0]).toMatchObject({ rows: 4, columns: 4 });
    const siglip = await json('attention', image, '--head', 'all', ...checkpoint('siglip'));
    expect(siglip.panels.map(({ head, maps }) => [head, maps[0]?.rows])).toEqual([
      [0, 4],
      [1, 4],
      [2, 4],
    ]);
    const sum = siglip.panels[0]?.maps[0]?.values.reduce((total, value) => total + value, 0);
    expect(sum).toBeCloseTo(1, 5);
    const found = await json('similarity', image, '--text', 'a', '--text', 'b', ...checkpoint('siglip'));
    expect(found.panels).toHaveLength(2);
    await expect(look('lens', image, ...checkpoint('clip'))).rejects.toThrow('writes nothing');
  });
});
