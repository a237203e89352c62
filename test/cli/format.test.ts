import { describe, expect, test } from 'vitest';
import { defineCommand } from '../../src/cli/command.ts';
import { commands } from '../../src/cli/commands.ts';
import { formatCommandHelp, formatProgramHelp } from '../../src/cli/help.ts';
import { formatHubProgress } from '../../src/cli/hub-model.ts';
import { formatUnused } from '../../src/cli/model-options.ts';
import { formatByteProgress, formatLoadProgress } from '../../src/cli/progress.ts';
import { formatStats } from '../../src/cli/stats.ts';
import { formatTable, wrapWords } from '../../src/cli/table.ts';
import { createTransferRate } from '../../src/cli/transfer-rate.ts';
import { formatBytes, formatCount, formatMs, formatParameters } from '../../src/cli/units.ts';
import { formatResults, formatVerdict } from '../../src/cli/verify.ts';
import type { StageResult } from '../../src/verify/stage-result.ts';

test.each([
  [0, '0 B'],
  [1023, '1023 B'],
  [1024, '1.00 KiB'],
  [9_248_000, '8.82 MiB'],
  [1024 ** 2 - 1, '1.00 MiB'],
  [100 * 1024, '100 KiB'],
  [13.5 * 1024 ** 3, '13.5 GiB'],
  [5000 * 1024 ** 4, '5000 TiB'],
])('%i bytes are %s', (bytes, text) => expect(formatBytes(bytes)).toBe(text));

test.each([
  [0.1234, '0.12 ms'],
  [840.4, '840 ms'],
  [999.9, '1.00 s'],
  [10_278, '10.3 s'],
  [59_990, '1 min 0 s'],
  [65_400, '1 min 5 s'],
])('%f ms are %s', (ms, text) => expect(formatMs(ms)).toBe(text));

test.each([
  [999, '999'],
  [159_172, '159 K'],
  [4_626_240, '4.63 M'],
  [999_900_000, '1.00 B'],
  [7_063_427_072, '7.06 B'],
])('%i parameters are %s', (count, text) => expect(formatParameters(count)).toBe(text));

test('counts have separators', () => expect(formatCount(4_626_240)).toBe('4,626,240'));

describe('tables', () => {
  test('columns are aligned, line ends bare', () => {
    const rows = [
      ['a', '1', 'x'],
      ['long', '100', ''],
    ];
    expect(formatTable(rows, ['left', 'right'])).toEqual(['a       1  x', 'long  100']);
  });

  test('words wrap, and a long one stands alone', () => {
    expect(wrapWords('one two three incomprehensible four', 8)).toEqual([
      'one two',
      'three',
      'incomprehensible',
      'four',
    ]);
  });
});

describe('help', () => {
  test('of the program names every command and the exit codes', () => {
    const help = formatProgramHelp('1.2.3', commands);
    expect(help).toMatch(/^tessera 1\.2\.3: /);
    for (const { name, summary } of commands) expect(help).toContain(`  ${name.padEnd(8)}  ${summary}`);
    expect(help).toContain('Exit codes: 0 ok, 1 failure (verify: beyond tolerance), 2 wrong usage, 130');
  });

  test.each(commands)('of $name fits a terminal and has examples', async ({ name, summary, load }) => {
    const command = await load();
    expect(command.name).toBe(name);
    const lines = formatCommandHelp(command, summary).split('\n');
    expect(lines[0]).toMatch(new RegExp(`^Usage: tessera ${name} `));
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(100);
    for (const option of Object.keys(command.options)) expect(lines.join('\n')).toContain(`  --${option}`);
    expect(command.examples.length).toBeGreaterThan(0);
  });

  test('wraps options beside their names', () => {
    const command = defineCommand({
      name: 'x',
      operands: { usage: '', min: 0 },
      options: { mode: { kind: 'choice', choices: ['a', 'b'], help: 'word '.repeat(30) } },
      examples: ['tessera x'],
      run: async () => 0,
    });
    const lines = formatCommandHelp(command, 'does x').split('\n');
    expect(lines.slice(0, 5)).toEqual(['Usage: tessera x [OPTION...]', '', 'Does x.', '', 'Options:']);
    expect(lines[5]).toMatch(/^ {2}--mode a\|b {2}word/);
    expect(lines[6]).toMatch(/^ {14}word/);
  });
});

test('progress shows a bar and the amounts', () => {
  expect(formatByteProgress('download', 512, 1024)).toBe(
    'download   [############            ] 512 B of 1.00 KiB',
  );
  expect(formatByteProgress('download', 512, 0)).toBe('download   [                        ] 512 B');
  expect(formatLoadProgress({ stage: 'pipelines', done: 3, total: 3 })).toBe(
    'pipelines  [########################] 3 of 3',
  );
});

test('stats name adapter, times, speed and memory', () => {
  const stats = {
    loadMs: 2300,
    weights: { byteLength: 2 ** 21, rounding: null },
    reusedTokens: 0,
    promptTokens: 78,
    generatedTokens: 11,
    firstTokenMs: 812,
    totalMs: 1500,
    tokensPerSecond: 14.53,
    dispatchesPerToken: 33,
    peakGpuBytes: 25_145_364,
    seed: 7,
  };
  expect(formatStats(stats, 'Some GPU')).toEqual([
    'adapter          Some GPU',
    'load             2.30 s',
    'weights          2.00 MiB',
    'first token      812 ms (78 prompt tokens)',
    'speed            14.5 tokens/s, 33 dispatches a token',
    'generated        11 tokens in 1.50 s',
    'peak GPU memory  24.0 MiB',
    'seed             7',
  ]);
  const rounding = {
    dtype: 'q4',
    tensors: 29,
    meanRelativeError: 0.0819,
    worst: { name: 'lm_head.weight', relativeError: 0.087 },
  } as const;
  expect(formatStats({ ...stats, weights: { byteLength: 2 ** 20, rounding } }, 'Some GPU')[2]).toBe(
    'weights          1.00 MiB; 29 tensors in q4, error 8.2 % of their RMS on average, 8.7 % in lm_head.weight',
  );
});

test('a warning lists the first unused tensors and counts the rest', () => {
  expect(formatUnused(['a', 'b'])).toBe(
    "Warning: the model does not use 2 of the checkpoint's tensors: a, b",
  );
  expect(formatUnused(['a', 'b', 'c', 'd', 'e', 'f', 'g'])).toMatch(/ 7 .*: a, b, c, d, e and 2 more$/);
});

describe('verify', () => {
  const stage = (part: Partial<StageResult>): StageResult => ({
    run: 'r0',
    stage: 'logits',
    shape: [1, 64],
    ok: true,
    maxAbsError: 1.25e-4,
    relativeError: 3.5e-5,
    tolerance: 1e-3,
    ...part,
  });
  const ids = stage({
    stage: 'generated.ids',
    shape: [24],
    ok: false,
    tokens: { equal: 9, total: 24, firstDivergence: 9 },
    note: 'greedy',
  });

  test('prints a line per stage', () => {
    expect(formatResults([stage({}), ids])).toEqual([
      'run  stage          shape    max abs error  relative to RMS  tokens equal',
      'r0   logits         [1, 64]        1.25e-4          3.50e-5                ok',
      'r0   generated.ids  [24]                                             9/24  FAIL  greedy',
    ]);
  });

  test('says where the first divergence is', () => {
    expect(formatVerdict([stage({})])).toBe('ok: 1 stages within tolerance.');
    expect(formatVerdict([])).toBe('FAIL: the reference records nothing to compare.');
    expect(formatVerdict([stage({}), ids])).toBe(
      'FAIL: 1 of 2 stages; the first divergence is "generated.ids" of run "r0", at token 9 of 24.',
    );
    expect(formatVerdict([stage({ ok: false, relativeError: 0.02 }), ids])).toBe(
      'FAIL: 2 of 2 stages; the first divergence is "logits" of run "r0": 2.00e-2 relative to RMS, tolerance 1.00e-3.',
    );
  });
});

describe('a download', () => {
  const MIB = 2 ** 20;

  test('shows bytes, speed and the time left, then how much is checked', () => {
    const show = (done: number, checked: number, rate?: number): string =>
      formatHubProgress({ done: done * MIB, checked: checked * MIB, total: 240 * MIB }, rate && rate * MIB);
    expect(show(60, 0)).toBe('download   [######                  ] 60.0 MiB of 240 MiB');
    expect(show(60, 0, 0)).toBe('download   [######                  ] 60.0 MiB of 240 MiB');
    expect(show(60, 0, 2)).toBe(
      'download   [######                  ] 60.0 MiB of 240 MiB, 2.00 MiB/s, 1 min 30 s left',
    );
    expect(show(239, 0, 5)).toContain(', 5.00 MiB/s, 1 s left');
    expect(show(240, 120, 2)).toBe('checking   [############            ] 120 MiB of 240 MiB');
  });

  test('has the speed of its last ten seconds, without what was there before', () => {
    let nowMs = 0;
    const rate = createTransferRate(() => nowMs);
    expect(rate(5000)).toBeUndefined();
    nowMs = 900;
    expect(rate(5900)).toBeUndefined();
    nowMs = 2000;
    expect(rate(7000)).toBe(1000);
    for (; nowMs <= 12_000; nowMs += 500) rate(7000);
    expect(rate(7000)).toBe(0);
  });
});
