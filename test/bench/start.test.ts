import { describe, expect, test } from 'vitest';
import { measureStart } from '../../bench/measure-start.ts';
import { formatStarts, type StartRow, startRow } from '../../bench/start-report.ts';
import { testAdapters } from '../adapters.ts';

const row: StartRow = startRow({
  ...{ model: 'built-in', dtype: 'f32', rounds: 3 },
  first: { loadMs: 5000, firstTokenMs: 1000, processMs: 7000, cpuMs: 8000 },
  second: { loadMs: 900, firstTokenMs: 100, processMs: 2000, cpuMs: 500 },
});

test('a row says how many times as long the first start takes, by both clocks', () => {
  expect(row).toMatchObject({ ratio: 6, cpuRatio: 16 });
  const [header, first, second] = formatStarts([row]).map((line) => line.trim().split(/ {2,}/));
  expect(header?.slice(0, 3)).toEqual(['start', 'dtype', 'cache']);
  expect(first).toEqual([
    'built-in',
    'f32',
    'empty',
    '5000',
    '1000',
    '6000',
    '7000',
    '8000',
    '6.00x',
    '16.0x',
  ]);
  expect(second).toEqual(['built-in', 'f32', 'filled', '900', '100', '1000', '2000', '500']);
  expect(formatStarts([])).toEqual([]);
});

describe.each(testAdapters().slice(0, 1))('on %s', (adapter) => {
  test('two processes answer, and tell what that took', { timeout: 180_000 }, async () => {
    const { first, second, rounds, ratio } = await measureStart(adapter, 'f32', 1);
    expect(rounds).toBe(1);
    for (const { loadMs, firstTokenMs, processMs, cpuMs } of [first, second]) {
      expect(Math.min(loadMs, firstTokenMs, cpuMs)).toBeGreaterThan(0);
      expect(processMs).toBeGreaterThan(loadMs + firstTokenMs);
    }
    expect(ratio).toBeCloseTo(
      (first.loadMs + first.firstTokenMs) / (second.loadMs + second.firstTokenMs),
      12,
    );
  });
});
