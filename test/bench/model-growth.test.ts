import { describe, expect, test } from 'vitest';
import { modelGrowthSeries } from '../../bench/html/page.ts';
import { measureModelGrowth } from '../../bench/measure-model-growth.ts';
import { formatModelGrowth, type ModelGrowthRow } from '../../bench/model-growth.ts';
import { pictureMaker } from '../../bench/question.ts';
import { testAdapters } from '../adapters.ts';

const spread = (median: number) => ({ median, p10: median / 2, p90: 2 * median });
const row = (count: number): ModelGrowthRow => ({
  ...{ model: 'built-in', dtype: 'f32', axis: 'pictures', count, promptTokens: 70 * count },
  firstTokenMs: spread(40 * count),
  tokensPerSecond: spread(100 / count),
  peakGpuBytes: 2 ** 20 * count,
});

test('a row says what one count of an axis took', () => {
  const lines = formatModelGrowth([row(1), row(4)]).map((line) => line.trim().split(/ {2,}/));
  expect(lines[2]?.join(' ')).toBe('pictures built-in f32 4 280 160 80.0 320 25.0 12.5 50.0 4.00');
  expect(formatModelGrowth([])).toEqual([]);
});

test('each axis is a curve of first tokens', () => {
  expect(modelGrowthSeries([row(1), row(2), { ...row(1), axis: 'prompt' }])).toEqual([
    {
      name: 'built-in: pictures',
      points: [
        { x: 1, ...spread(40) },
        { x: 2, ...spread(80) },
      ],
    },
    { name: 'built-in: prompt', points: [{ x: 1, ...spread(40) }] },
  ]);
});

test('no two pictures are alike', async () => {
  const makePicture = await pictureMaker();
  const made = [makePicture(), makePicture()].map(({ data }) => [...data.slice(0, 2)]);
  expect(made).toEqual([
    [0, 1],
    [0, 2],
  ]);
});

describe.each(testAdapters().slice(0, 1))('on %s', (adapter) => {
  test('the built-in model is asked about more pictures, and by more callers at once', async () => {
    const rows = await measureModelGrowth(adapter, 'f32', undefined, ['pictures', 'requests']);
    expect(rows.map(({ axis, count }) => `${axis} ${count}`)).toEqual(
      ['pictures 1', 'pictures 2', 'pictures 4'].concat([1, 2, 4, 8].map((count) => `requests ${count}`)),
    );
    const [one, two, four] = rows.map(({ promptTokens }) => promptTokens);
    // 64 tokens a picture, and what stands between two of them.
    expect((four ?? 0) - (two ?? 0)).toBe(2 * ((two ?? 0) - (one ?? 0)));
    expect((two ?? 0) - (one ?? 0)).toBeGreaterThanOrEqual(64);
    const peaks = rows.map(({ peakGpuBytes }) => peakGpuBytes);
    expect(peaks[2]).toBeGreaterThan(peaks[0] ?? 0);
    expect(peaks[6]).toBeGreaterThan(peaks[3] ?? 0);
  });
});
