import { expect, test } from 'vitest';
import { reportPage } from '../../bench/html/page.ts';
import { markdownTable } from '../../bench/markdown.ts';
import { type PeerReport, peerRow, summarize } from '../../bench/peers/peer-report.ts';

const limits = {
  fmaGflops: { f32: 50, f16: null },
  read: [{ byteLength: 2 ** 20, gbps: 5 }],
  copy: [{ byteLength: 2 ** 20, gbps: 5 }],
  bufferCopy: [{ byteLength: 2 ** 20, gbps: 5 }],
  ...{ dispatchUs: 9, submitUs: 20, pipelineMs: 30, submitReadbackUs: 50 },
};
const timing = (median: number) => ({ median, p10: median, p90: median, samples: 3, cpuMs: null });
const measured = {
  one: { op: 'softmax', rows: 8, cols: 16, dtype: 'f32', reps: 1 },
  timings: { tessera: timing(0.5), a: timing(2), b: { reason: 'wrong <result>' } },
  costs: [{ flops: 2e6, bytesRead: 80_000, bytesWritten: 40_000 }],
} as const;
const rows = [peerRow(measured, limits)];
const report: PeerReport = {
  adapter: 'A <GPU>',
  driver: '1',
  node: 'v20',
  commit: 'abc',
  loadAverage: [0, 0, 0],
  measuredAt: '2026-01-01T00:00:00Z',
  versions: { a: '1.0' },
  limits,
  rows,
  ...summarize(rows),
  leftOut: [],
};

test('a page needs nothing else and shows what peers took over ours', () => {
  const page = reportPage(report, []);
  expect(page).toContain('<h1>Tessera on A &lt;GPU&gt;</h1>');
  expect(page).toContain('<strong>4.00×</strong>');
  expect(page).toContain('>4.00x</text>');
  expect(page).toContain('b: wrong &lt;result&gt; (softmax 8x16 f32)');
  expect(page).not.toMatch(/<script|https?:\/\/(?!www\.w3\.org)|NaN|undefined/);
  expect(page).not.toContain('did other work');
  expect(reportPage({ ...report, loadAverage: [3, 0, 0] }, [])).toContain('did other work');
});

test('a Markdown table has a column per peer that has times', () => {
  const lines = markdownTable(report).split('\n');
  expect(lines).toContain('| op | shape | dtype | tessera | a | vs best | of limit |');
  expect(lines).toContain('| softmax | 8x16 | f32 | 0.500 | 2.00 | 4.00× | 8.0 % fma |');
});
