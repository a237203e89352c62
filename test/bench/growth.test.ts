import { expect, test } from 'vitest';
import { growthCases } from '../../bench/block-cases.ts';
import { cacheGrowth, formatGrowth, lineThrough } from '../../bench/growth.ts';
import type { BenchRow } from '../../bench/report.ts';

const limits = {
  read: [
    { byteLength: 2 ** 18, gbps: 9 },
    { byteLength: 2 ** 20, gbps: 2 },
  ],
  copy: [{ byteLength: 2 ** 20, gbps: 1 }],
};

/** 0.5 ms and 1 µs a token, of 1000 bytes each, but for `off`. */
const row = (tokens: number, off = 1): BenchRow => {
  const ms = (0.5 + 0.001 * tokens) * off;
  return {
    op: 'attention decode',
    shape: `past=${tokens}`,
    dtype: 'f32',
    ms,
    ...{
      p10: ms,
      p90: ms,
      samples: 3,
      kernelMs: null,
      gflops: 1,
      fraction: 0.5,
      boundBy: 'memory',
      kernel: 'k',
    },
    gbps: (4000 + 1000 * tokens) / (ms * 1e6),
  };
};

test('a line through times that lie on one is that line', () => {
  const { start, slope } = lineThrough([1, 10, 1000].map((x) => ({ x, y: 3 + 0.25 * x })));
  expect(start).toBeCloseTo(3, 10);
  expect(slope).toBeCloseTo(0.25, 10);
});

test('growth with the cache is held to reading it once, at the bandwidth over all of it', () => {
  const rows = [row(2000), row(1000), { ...row(1), shape: '1x2' }, row(500)];
  const [growth, ...rest] = cacheGrowth(rows, limits);
  expect(rest).toEqual([]);
  expect(growth?.tokens).toEqual([500, 2000]);
  expect(growth?.emptyMs).toBeCloseTo(0.5, 10);
  expect(growth?.msPerToken).toBeCloseTo(0.001, 10);
  // 1000 bytes at 2 GB/s, since 2 MB fit no buffer that was read faster.
  expect(growth?.readMsPerToken).toBeCloseTo(0.0005, 10);
  expect(growth?.deviation).toBeCloseTo(0, 10);
  expect(formatGrowth(cacheGrowth(rows, limits))[1]).toMatch(
    /^attention decode +f32 +500 to 2000 +0\.50+ +1\.0+ +0\.50+ +2\.0+ +0\.0 %$/,
  );
});

test('a time off the line is told', () => {
  const [growth] = cacheGrowth([row(500), row(1000, 1.3), row(2000)], limits);
  expect(growth?.deviation).toBeGreaterThan(0.1);
  expect(growth?.deviation).toBeLessThan(0.3);
});

test('two caches make no line', () => {
  expect(cacheGrowth([row(500), row(1000)], limits)).toEqual([]);
  expect(formatGrowth([])).toEqual([]);
});

test('the full bench has such curves of attention alone and of a layer', () => {
  const ops = new Set(growthCases.filter(({ shape }) => shape.startsWith('past=')).map(({ op }) => op));
  expect([...ops]).toEqual([
    'Llama-135M layer, decode',
    'attention decode 9/3x64',
    'attention decode 32/8x64',
  ]);
});
