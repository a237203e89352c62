import { describe, expect, test } from 'vitest';
import { type ComparableRow, compareReports, formatComparison, verdictOf } from '../../bench/compare.ts';
import { parseReport } from '../../bench/read-report.ts';

const row = (name: string, p10: number, median: number, p90: number): ComparableRow => ({
  name,
  p10,
  median,
  p90,
});
const report = (commit: string, ...rows: readonly ComparableRow[]) => ({ adapter: 'GPU', commit, rows });

describe('a change', () => {
  test('is one where the intervals lie apart', () => {
    expect(verdictOf(row('a', 9, 10, 11), row('a', 12, 13, 14))).toBe('slower');
    expect(verdictOf(row('a', 9, 10, 11), row('a', 6, 7, 8))).toBe('faster');
  });

  test('is noise where they overlap, however far the medians are apart', () => {
    expect(verdictOf(row('a', 9, 10, 21), row('a', 19, 20, 21))).toBe('same');
    expect(verdictOf(row('a', 9, 20, 21), row('a', 8, 10, 11))).toBe('same');
  });

  test('of up to 5 % is noise even where they do not', () => {
    expect(verdictOf(row('a', 9.99, 10, 10.01), row('a', 10.4, 10.5, 10.6))).toBe('same');
    expect(verdictOf(row('a', 9.99, 10, 10.01), row('a', 10.5, 10.6, 10.7))).toBe('slower');
    expect(verdictOf(row('a', 10.4, 10.5, 10.6), row('a', 9.99, 10, 10.01))).toBe('same');
    expect(verdictOf(row('a', 10.5, 10.6, 10.7), row('a', 9.99, 10, 10.01))).toBe('faster');
  });
});

describe('two reports', () => {
  const before = report('1', row('a', 9, 10, 11), row('b', 9, 10, 11), row('gone', 1, 1, 1));
  const after = report('2', row('a', 9, 10, 11), row('b', 18, 20, 22), row('new', 1, 1, 1));

  test('are compared row by row', () => {
    const { rows, gone, added } = compareReports(before, after);
    expect(rows.map(({ name, ratio, verdict }) => [name, ratio, verdict])).toEqual([
      ['a', 1, 'same'],
      ['b', 2, 'slower'],
    ]);
    expect([gone, added]).toEqual([['gone'], ['new']]);
  });

  test('show what got slower first', () => {
    const lines = formatComparison(compareReports(before, after));
    expect(lines[1]?.split(/ {2,}/)).toEqual([
      'b',
      '10.0 (9.00 to 11.0)',
      '20.0 (18.0 to 22.0)',
      '2.00x',
      'slower',
    ]);
    expect(lines.slice(-2)).toEqual(['only before: gone', 'only after: new']);
  });

  test('of two adapters are refused', () => {
    expect(() => compareReports(before, { ...after, adapter: 'CPU' })).toThrow(
      'one report is of "GPU", the other of "CPU"',
    );
  });
});

describe('a report file', () => {
  const own = { op: 'softmax', shape: '2x3', dtype: 'f32', ms: 2, p10: 1, p90: 3 };
  const text = (rows: unknown): string => JSON.stringify({ adapter: 'GPU', commit: 'abc', rows });

  test('of the suite, and of peers without a time of ours', () => {
    expect(parseReport(text([own]), 'a.json').rows).toEqual([row('softmax 2x3 f32', 1, 2, 3)]);
    const timed = { ...own, timings: { tessera: { median: 5, p10: 4, p90: 6, samples: 3 } } };
    const failed = { ...own, timings: { tessera: { reason: 'wrong' } } };
    expect(parseReport(text([timed, failed]), 'a.json').rows).toEqual([row('softmax 2x3 f32', 4, 5, 6)]);
  });

  test('that is none is refused by name', () => {
    expect(() => parseReport('{', 'a.json')).toThrow('a.json is no JSON');
    expect(() => parseReport('[]', 'a.json')).toThrow('names no adapter and commit');
    expect(() => parseReport('{"adapter":"GPU","commit":"abc"}', 'a.json')).toThrow('has no rows');
    expect(() => parseReport(text([{ ...own, p10: -1 }]), 'a.json')).toThrow('in row 0');
  });
});
