import { expect, test } from 'vitest';
import { boundOf, memoryMs } from '../../bench/bound.ts';
import { bestLimits, type Limits } from '../../bench/limits.ts';
import { type BenchRow, beyondLimit, formatLimits, formatRows } from '../../bench/report.ts';
import { formatNumber, formatPercent, quantile, spreadOf } from '../../bench/statistics.ts';
import { sampleWallClock } from '../../bench/wall-clock.ts';

const MIB = 2 ** 20;
const limits: Limits = {
  fmaGflops: { f32: 50, f16: null },
  read: [
    { byteLength: MIB, gbps: 10 },
    { byteLength: 16 * MIB, gbps: 4 },
  ],
  copy: [
    { byteLength: MIB, gbps: 6 },
    { byteLength: 16 * MIB, gbps: 5 },
  ],
  bufferCopy: [
    { byteLength: MIB, gbps: 40 },
    { byteLength: 16 * MIB, gbps: 8 },
  ],
  dispatchUs: 9,
  submitUs: 20,
  pipelineMs: 30,
  submitReadbackUs: 50,
};

const row: BenchRow = {
  op: 'linear',
  shape: '197x768x768',
  dtype: 'f32',
  ms: 12.345,
  p10: 12,
  p90: 123.4,
  samples: 7,
  kernelMs: null,
  gflops: 18.9,
  gbps: 0.1234,
  fraction: 0.378,
  boundBy: 'fma',
  kernel: 'linear_tiled',
};

test('quantiles are interpolated between sorted values', () => {
  expect(quantile([4, 1, 3, 2, 5], 0.5)).toBe(3);
  expect(quantile([1, 2], 0.5)).toBe(1.5);
  expect(quantile([7], 0.9)).toBe(7);
  expect(() => quantile([], 0.5)).toThrow('no values');
  const { median, p10, p90 } = spreadOf([10, 0, 20, 100, 30, 40, 50, 60, 70, 80, 90]);
  expect([median, p10, p90]).toEqual([50, 10, 90]);
});

test('numbers show three significant digits', () => {
  expect([0, 0.012345, 1.2345, 12.345, 123.45, 12345.6].map(formatNumber)).toEqual([
    '0',
    '0.0123',
    '1.23',
    '12.3',
    '123',
    '12346',
  ]);
  expect(formatPercent(0.3456)).toBe('34.6 %');
});

test('rows are aligned, and have no kernel time without timestamps', () => {
  const [header = '', first = '', second = ''] = formatRows([row, { ...row, op: 'softmax', kernelMs: 11 }]);
  expect(first.split(/ {2,}/)).toEqual(
    'linear,197x768x768,f32,12.3,12.0,123,18.9,0.123,37.8 %,fma,linear_tiled'.split(','),
  );
  expect(second).toContain('  11.0  ');
  expect(first.indexOf('linear_tiled')).toBe(header.lastIndexOf('kernel'));
  expect(second.indexOf('linear_tiled')).toBe(header.lastIndexOf('kernel'));
});

test('limits name their sizes', () => {
  const text = formatLimits(limits).join('\n');
  expect(text).toMatch(/50\.0 f32, no f16/);
  expect(text).toMatch(/kernel read, GB\/s +10\.0 \(1\.00 MiB\), 4\.00 \(16\.0 MiB\)/);
});

test('each dispatch is bound by the slower of arithmetic and memory', () => {
  const arithmetic = { flops: 100e6, bytesRead: MIB, bytesWritten: 0 }; // 2 ms, 0.1 ms
  const memory = { flops: 1e6, bytesRead: 20 * MIB, bytesWritten: 5 * MIB }; // 0.02 ms, 6.03 ms
  expect(boundOf([arithmetic], limits)).toEqual({ ms: 2, by: 'fma' });
  expect(boundOf([arithmetic, memory], limits).ms).toBeCloseTo(2 + memoryMs(20 * MIB, 5 * MIB, limits), 6);
  expect(boundOf([arithmetic, memory], limits).by).toBe('memory');
});

test('reading is held to reading, and as much written as read to copying', () => {
  expect(memoryMs(20 * MIB, 0, limits)).toBeCloseTo((20 * MIB) / 4e6, 6);
  expect(memoryMs(10 * MIB, 10 * MIB, limits)).toBeCloseTo((20 * MIB) / 5e6, 6);
  expect(memoryMs(20 * MIB, 5 * MIB, limits)).toBeCloseTo((20 / 4 + 5 * (2 / 5 - 1 / 4)) * (MIB / 1e6), 6);
  const fast = { ...limits, copy: limits.read.map((one) => ({ ...one, gbps: 3 * one.gbps })) };
  expect(memoryMs(20 * MIB, 0, fast)).toBeCloseTo((20 * MIB) / 12e6, 6);
});

test('what fits a cache is held to its bandwidth, what does not is not', () => {
  // The limits copy at 5 GB/s and read at 4 in memory, both faster where a cache holds all.
  expect(memoryMs(1000, 0, limits)).toBeLessThan(1000 / 4e6);
  expect(memoryMs(15 * MIB, 0, limits)).toBeLessThan((15 * MIB) / 4e6);
  expect(memoryMs(64 * MIB, 0, limits)).toBeCloseTo((64 * MIB) / 4e6, 6);
});

test('of two measurements of the limits, the better counts number by number', () => {
  const later: Limits = { ...limits, fmaGflops: { f32: 40, f16: null }, dispatchUs: 8, copy: limits.read };
  const best = bestLimits(limits, later);
  expect(best.fmaGflops).toEqual({ f32: 50, f16: null });
  expect(best.dispatchUs).toBe(8);
  expect(best.copy.map(({ gbps }) => gbps)).toEqual([10, 5]);
});

test('rows beyond the limit are named', () => {
  expect(beyondLimit([row, { ...row, fraction: 1.01 }])).toHaveLength(1);
});

test('wall-clock sampling runs calls one after another and passes failures on', async () => {
  let running = 0;
  let most = 0;
  const run = async (): Promise<void> => {
    most = Math.max(most, ++running);
    await new Promise((resolve) => setTimeout(resolve, 1));
    running--;
  };
  const samples = await sampleWallClock('sleep', run, { maxSeconds: 0.01 });
  expect(most).toBe(1);
  expect(samples.length).toBeGreaterThanOrEqual(5);
  for (const ms of samples) expect(ms).toBeGreaterThan(0.5);
  const broken = sampleWallClock('broken', () => Promise.reject(new Error('no luck')), { maxSeconds: 0.01 });
  await expect(broken).rejects.toThrow('no luck');
});
