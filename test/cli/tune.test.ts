import { expect, test } from 'vitest';
import { formatTuning } from '../../src/cli/tune-report.ts';

const call = (untuned: readonly [string, number], tuned: readonly [string, number]) => ({
  signature: 'linear ...',
  op: 'linear',
  types: 'x f32 [1, 64], weight f32 [8, 64]',
  untuned: { label: untuned[0], ms: untuned[1] },
  tuned: { label: tuned[0], ms: tuned[1], digest: '0123456789abcdef' },
  measured: [],
});

test('the report has a line per call and the gain in all', () => {
  expect(
    formatTuning([call(['a{rows: 1}', 4], ['b', 1]), call(['b', 0.5], ['b', 0.5])], '/cache/x.json'),
  ).toEqual([
    'op      inputs                             by cost model     ms  by measurement    ms  faster',
    'linear  x f32 [1, 64], weight f32 [8, 64]  a{rows: 1}      4.00  b               1.00   4.00x',
    'linear  x f32 [1, 64], weight f32 [8, 64]  b              0.500                         1.00x',
    '',
    '1 of 2 calls have a faster kernel than the cost model takes: 2.00x in geometric mean, 4.00x at most; kept in /cache/x.json',
  ]);
  expect(formatTuning([], null).at(-1)).toBe('no call had a choice; nothing is kept');
});
