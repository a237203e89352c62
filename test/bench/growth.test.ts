import { expect, test } from 'vitest';
import type { BenchCase } from '../../bench/bench-case.ts';
import { growthCases } from '../../bench/block-cases.ts';
import { cacheGrowth, formatGrowth, lineThrough } from '../../bench/growth.ts';
import { growingAttentionCase } from '../../bench/kernel-builders.ts';
import { measureGrowth, splitSeries } from '../../bench/measure-growth.ts';
import { describeOnAdapters } from '../adapters.ts';

const named = { op: 'attention decode', dtype: 'f32' };
/** 0.5 ms and 1 µs a token, of 1000 bytes each, but for `off`. */
const point = (tokens: number, off = 1) => ({
  tokens,
  ms: (0.5 + 0.001 * tokens) * off,
  bytes: 4000 + 1000 * tokens,
});
const READ_MS_PER_BYTE = 0.5e-6;

test('a line through times that lie on one is that line', () => {
  const { start, slope } = lineThrough([1, 10, 1000].map((x) => ({ x, y: 3 + 0.25 * x })));
  expect(start).toBeCloseTo(3, 10);
  expect(slope).toBeCloseTo(0.25, 10);
});

test('growth with the cache is held to reading it once', () => {
  const growth = cacheGrowth(named, [point(500), point(1000), point(2000)], READ_MS_PER_BYTE);
  expect(growth.tokens).toEqual([500, 2000]);
  expect(growth.emptyMs).toBeCloseTo(0.5, 10);
  expect(growth.msPerToken).toBeCloseTo(0.001, 10);
  expect(growth.readMsPerToken).toBeCloseTo(0.0005, 10);
  expect(growth.deviation).toBeCloseTo(0, 10);
  expect(formatGrowth([growth])[1]).toMatch(
    /^attention decode +f32 +500 to 2000 +0\.50+ +1\.0+ +0\.50+ +2\.0+ +0\.0 %$/,
  );
  expect(formatGrowth([])).toEqual([]);
});

test('a time off the line is told', () => {
  const { deviation } = cacheGrowth(named, [point(500), point(1000, 1.3), point(2000)], READ_MS_PER_BYTE);
  expect(deviation).toBeGreaterThan(0.1);
  expect(deviation).toBeLessThan(0.3);
});

test('cases over three caches or more are a series, the fewest tokens first', () => {
  const of = (op: string, shape: string): BenchCase => ({
    op,
    shape,
    dtype: 'f32',
    open: () => Promise.reject(new Error('not to be opened')),
  });
  const long = ['past=8', 'past=2', 'past=40'].map((shape) => of('attention', shape));
  const rest = [of('layer', 'past=1'), of('layer', 'past=2'), of('matmul', '1x2x3')];
  const { series, others } = splitSeries([...rest, ...long]);
  expect(series.map(({ op, dtype }) => `${op} ${dtype}`)).toEqual(['attention f32']);
  expect(series[0]?.cases.map(({ shape }) => shape)).toEqual(['past=2', 'past=8', 'past=40']);
  expect(others).toEqual(rest);
});

test('the full bench has such series of attention alone and of a layer', () => {
  expect(splitSeries(growthCases).series.map(({ op }) => op)).toEqual([
    'Llama-135M layer, decode',
    'attention decode 9/3x64',
    'attention decode 32/8x64',
  ]);
});

describeOnAdapters('a series', (getDevice) => {
  test('is timed in turn with reading as many bytes', async () => {
    const cases = [16, 64, 256].map((keys) =>
      growingAttentionCase({ heads: 3, kvHeads: 1, keys, headDim: 64 }),
    );
    const [series] = splitSeries(cases).series;
    if (!series) throw new Error('no series');
    const { measured, growth } = await measureGrowth(getDevice(), series, { maxSeconds: 0 });
    expect(measured.map(({ samples }) => samples)).toEqual([10, 10, 10]);
    expect(growth.tokens).toEqual([15, 255]);
    for (const ms of [growth.msPerToken, growth.readMsPerToken]) expect(Number.isFinite(ms)).toBe(true);
    expect(growth.readMsPerToken).toBeGreaterThan(0);
  });
});
