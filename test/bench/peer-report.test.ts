import { expect, test } from 'vitest';
import type { Limits } from '../../bench/limits.ts';
import type { PeerCase } from '../../bench/peers/peer-case.ts';
import { formatPeers, geometricMean, peerRow, summarize } from '../../bench/peers/peer-report.ts';

const limits: Limits = {
  fmaGflops: { f32: 50, f16: null },
  read: [{ byteLength: 2 ** 20, gbps: 5 }],
  copy: [{ byteLength: 2 ** 20, gbps: 5 }],
  bufferCopy: [{ byteLength: 2 ** 20, gbps: 5 }],
  dispatchUs: 9,
  submitUs: 20,
  pipelineMs: 30,
  submitReadbackUs: 50,
};
const one: PeerCase = { op: 'matmul', m: 100, k: 100, n: 100, dtype: 'f32', reps: 1 };
const costs = [{ flops: 2e6, bytesRead: 80_000, bytesWritten: 40_000 }];
const timing = (median: number) => ({ median, p10: median, p90: median, samples: 3, cpuMs: 2 * median });

test('the geometric mean weighs twice as fast and twice as slow alike', () => {
  expect(geometricMean([2, 0.5])).toBeCloseTo(1, 12);
  expect(geometricMean([1, 10, 100])).toBeCloseTo(10, 12);
  expect(geometricMean([])).toBeNull();
});

test('a row is held to the fastest peer that is right', () => {
  const timings = { tessera: timing(0.1), a: timing(0.4), b: timing(0.2), c: { reason: 'wrong result' } };
  const row = peerRow({ one, timings, costs }, limits);
  expect(row).toMatchObject({
    op: 'matmul',
    shape: '100x100x100',
    dtype: 'f32',
    ms: 0.1,
    peers: { a: 0.4, b: 0.2, c: null },
    bestPeer: 'b',
    vsBestPeer: 2,
    cpuVsBestPeer: 2,
    boundBy: 'fma',
  });
  expect(row.gflops).toBeCloseTo(20, 9);
  expect(row.gbps).toBeCloseTo(1.2, 9);
  expect(row.fraction).toBeCloseTo(0.04 / 0.1, 9); // 2 MFLOP at 50 GFLOP/s
});

test('a row without us or without a peer has no ratio', () => {
  const failed = peerRow({ one, timings: { tessera: { reason: 'lost' }, a: timing(1) }, costs }, limits);
  expect([failed.ms, failed.vsBestPeer, failed.fraction]).toEqual([null, null, null]);
  const alone = peerRow({ one, timings: { tessera: timing(1), a: { reason: 'no' } }, costs }, limits);
  expect([alone.bestPeer, alone.vsBestPeer]).toEqual([null, null]);
  expect(summarize([failed, alone])).toEqual({ geomeanVsBestPeer: null, minVsBestPeer: null });
});

test('the sums are over rows that have a ratio', () => {
  const { geomeanVsBestPeer, minVsBestPeer } = summarize([
    ...[4, null, 1].map((vsBestPeer) => ({ vsBestPeer, counts: true })),
    { vsBestPeer: 100, counts: false },
  ]);
  expect(geomeanVsBestPeer).toBeCloseTo(2, 12);
  expect(minVsBestPeer).toBe(1);
});

test('the table has a column per peer that has times, and a reason for each gap', () => {
  const timings = { tessera: timing(0.1), a: timing(0.4), c: { reason: 'wrong result' } };
  const rows = [peerRow({ one, timings, costs }, limits)];
  const lines = formatPeers({
    adapter: 'GPU',
    driver: '1',
    node: 'v20',
    commit: 'abc',
    loadAverage: [0, 0, 0],
    measuredAt: '2026-01-01T00:00:00Z',
    versions: {},
    limits,
    rows,
    ...summarize(rows),
    leftOut: ['softmax 1x1 f32'],
  });
  expect(lines[0]?.split(/ {2,}/)).toEqual(
    'op,shape,dtype,tessera,a,vs best,by CPU time,of limit'.split(','),
  );
  expect(lines[1]?.split(/ {2,}/)).toEqual(
    'matmul,100x100x100,f32,0.100,0.400,4.00x,4.00x,40.0 %,fma'.split(','),
  );
  expect(lines).toContain('c: wrong result (matmul 100x100x100 f32)');
  expect(lines).toContain('left out for want of time: softmax 1x1 f32');
  expect(lines.at(-1)).toBe('against the best peer of each row: 4.00x in geometric mean, 4.00x at least');
});

test('a whole model is told in tokens per second, outside the sums', () => {
  const shared = { folder: '/m', name: 'm', promptTokens: 128, dtype: 'f32' } as const;
  const timings = { tessera: timing(100), a: timing(400) };
  const rows = [
    peerRow({ one: { ...shared, op: 'model prefill', reps: 1 }, timings, costs }, limits),
    peerRow({ one: { ...shared, op: 'model decode', reps: 16 }, timings, costs }, limits),
  ];
  expect(rows.map(({ shape, tokens, vsBestPeer, counts }) => [shape, tokens, vsBestPeer, counts])).toEqual([
    ['m seq=128', 128, 4, false],
    ['m past=128', 1, 4, false],
  ]);
  expect(summarize(rows).geomeanVsBestPeer).toBeNull();
  const report = {
    adapter: 'GPU',
    driver: '1',
    node: 'v20',
    commit: 'abc',
    loadAverage: [0, 0, 0],
    limits,
    rows,
  };
  const rest = { measuredAt: '2026-01-01T00:00:00Z', versions: {}, leftOut: [], ...summarize(rows) };
  const lines = formatPeers({ ...report, ...rest });
  expect(lines).toContain('model prefill m seq=128 f32, tokens/s: tessera 1280, a 320');
  expect(lines).toContain('model decode m past=128 f32, tokens/s: tessera 10.0, a 2.50');
});
