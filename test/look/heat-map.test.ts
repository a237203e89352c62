import { expect, test } from 'vitest';
import type { PromptMedium } from '../../src/generate/read-prompt.ts';
import { gridAreas, visibleArea, WHOLE_AREA } from '../../src/image/visible-area.ts';
import { colourOf } from '../../src/look/colour-scale.ts';
import { type HeatMap, patchGrid, peakOf, tileMaps, valueAt } from '../../src/look/heat-map.ts';
import { paintHeat } from '../../src/look/paint-heat.ts';

const tile = (shape: readonly number[], grid?: readonly [number, number]) =>
  ({ kind: 'image', shape, ...(grid && { grid }) }) as const;

test('a grid is found by the proportions of the tile, with a class token or without', () => {
  const square = tile([3, 224, 224]);
  expect(patchGrid(256, square)).toEqual({ rows: 16, columns: 16, skipped: 0 });
  expect(patchGrid(257, square)).toEqual({ rows: 16, columns: 16, skipped: 1 });
  expect(patchGrid(8, tile([3, 32, 64]))).toEqual({ rows: 2, columns: 4, skipped: 0 });
  // Four patches joined to one.
  expect(patchGrid(15, tile([60, 384], [6, 10]))).toEqual({ rows: 3, columns: 5, skipped: 0 });
  expect(() => patchGrid(7, square)).toThrow('7 tokens lie in no grid of the proportions 224:224');
  expect(() => patchGrid(16, tile([60, 384], [6, 10]))).toThrow('6:10');
});

const medium = (overrides: Partial<PromptMedium>): PromptMedium => ({
  kind: 'image',
  layout: { tile: tile([3, 32, 32]), tiles: 1, tokens: 4 },
  areas: [WHOLE_AREA],
  ...overrides,
});

test('numbers are dealt out to tiles, without the class token', () => {
  const layout = { tile: tile([3, 32, 32]), tiles: 2, tokens: 8 };
  const areas = gridAreas([1, 2]);
  const maps = tileMaps(medium({ layout, areas }), Float32Array.of(9, 1, 2, 3, 4, 9, 5, 6, 7, 8));
  expect(maps.map(({ values }) => [...values])).toEqual([
    [1, 2, 3, 4],
    [5, 6, 7, 8],
  ]);
  expect(maps.map(({ area }) => area)).toEqual([
    [0, 0, 0.5, 1],
    [0.5, 0, 1, 1],
  ]);
  expect(() => tileMaps(medium({ areas: undefined }), new Float32Array(4))).toThrow('it is not known');
  expect(() => tileMaps(medium({ kind: 'video' }), new Float32Array(4))).toThrow(
    'a video has no one picture',
  );
});

const map: HeatMap = { rows: 2, columns: 2, values: Float32Array.of(0, 1, 2, 5), area: [0.5, 0, 1, 1] };

test('values are bilinear between the centres of patches, and null beside the area', () => {
  expect(valueAt(map, 0.625, 0.25)).toBe(0);
  expect(valueAt(map, 0.875, 0.75)).toBe(5);
  expect(valueAt(map, 0.75, 0.5)).toBe(2);
  expect(valueAt(map, 0.75, 0.25)).toBe(0.5);
  expect(valueAt(map, 1, 1)).toBe(5);
  expect(valueAt(map, 0.49, 0.5)).toBeNull();
  expect(peakOf(map)).toEqual([0.875, 0.75]);
});

test('what is left of a picture after resizing its shorter edge and cropping', () => {
  const crop = { height: 30, width: 30 };
  const resize = { kind: 'shortest-edge', edge: 40 } as const;
  expect(visibleArea({ width: 80, height: 40 }, { resize, centerCrop: crop })).toEqual([
    0.3125, 0.125, 0.6875, 0.875,
  ]);
  expect(visibleArea({ width: 80, height: 40 }, { resize, centerCrop: null })).toEqual(WHOLE_AREA);
  const exact = { kind: 'exact', height: 60, width: 40 } as const;
  expect(visibleArea({ width: 7, height: 9 }, { resize: exact, centerCrop: crop })).toEqual([
    0.125, 0.25, 0.875, 0.75,
  ]);
});

test('heat is the scale laid over faint colours, and what no map covers is dark', () => {
  const grey = { width: 8, height: 4, data: new Uint8Array(8 * 4 * 3).fill(100) };
  const painted = paintHeat(grey, [map]);
  const pixel = (x: number, y: number) => [...painted.data.subarray(3 * (y * 8 + x), 3 * (y * 8 + x) + 3)];
  expect([painted.width, painted.height]).toEqual([8, 4]);
  expect(pixel(0, 0)).toEqual([35, 35, 35]);
  expect(pixel(7, 3)).toEqual(colourOf(1).map((channel) => Math.round(0.8 * channel + 0.2 * 80)));
  expect(pixel(4, 0)).toEqual(colourOf(0).map((channel) => Math.round(0.15 * channel + 0.85 * 80)));
  expect(paintHeat(grey, [map], { edge: 16 })).toMatchObject({ width: 16, height: 8 });
  // A range from 0 to 10 makes its largest value, 5, the middle of the scale.
  const middle = [...paintHeat(grey, [map], { range: [0, 10] }).data.subarray(-3)];
  expect(middle).toEqual(colourOf(0.5).map((channel) => Math.round(0.475 * channel + 0.525 * 80)));
});

test('of several maps the finest is shown, or shares are added by the size of their patches', () => {
  const black = { width: 2, height: 1, data: new Uint8Array(6) };
  const whole: HeatMap = { rows: 1, columns: 1, values: Float32Array.of(0.5), area: WHOLE_AREA };
  const [left] = gridAreas([1, 2]);
  const half: HeatMap = { rows: 1, columns: 1, values: Float32Array.of(0.25), area: left ?? WHOLE_AREA };
  const level = (combine: 'finest' | 'add') => {
    const { data } = paintHeat(black, [whole, half], { combine, range: [0, 1] });
    return [...data];
  };
  const shown = (value: number) => colourOf(value).map((c) => Math.round((0.15 + 0.65 * value) * c));
  expect(level('finest')).toEqual([...shown(0.25), ...shown(0.5)]);
  // A quarter of it on half the picture is as much per area as half of it on all.
  expect(level('add')).toEqual([...shown(1), ...shown(0.5)]);
});

test('the colour scale grows lighter from end to end', () => {
  const light = Array.from({ length: 21 }, (_, i) => {
    const [red, green, blue] = colourOf(i / 20);
    return 0.299 * red + 0.587 * green + 0.114 * blue;
  });
  expect(light.every((value, i) => i === 0 || value > (light[i - 1] ?? 0))).toBe(true);
  expect(colourOf(-3)).toEqual(colourOf(0));
  expect(colourOf(Number.NaN)).toEqual(colourOf(0));
  expect(colourOf(7)).toEqual([255, 236, 128]);
});
