import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { brailleChart } from '../../src/cli/braille-chart.ts';
import { AbortError, InputError } from '../../src/core/errors.ts';
import { thin } from '../../src/train/chart.ts';
import { dataOrder } from '../../src/train/data-order.ts';
import { openMetrics } from '../../src/train/metrics.ts';
import { createRandom, pickDistinct } from '../../src/train/random.ts';
import { pointsOf, renderReport } from '../../src/train/report.ts';
import { runTraining } from '../../src/train/run-training.ts';
import { warmupCosine } from '../../src/train/schedule.ts';
import type { StepReport } from '../../src/train/trainer.ts';

describe('the learning rate', () => {
  test('rises in a line and falls as half a cosine', () => {
    const rate = warmupCosine({ peak: 2, steps: 110, warmup: 10, floor: 0.5 });
    expect([0, 4, 9].map(rate)).toEqual([0.2, 1, 2]);
    expect(rate(10)).toBe(2);
    expect(rate(60)).toBeCloseTo(1.25, 12);
    expect(rate(110)).toBeCloseTo(0.5, 12);
    expect(rate(1000)).toBeCloseTo(0.5, 12);
  });

  test('refuses a warm-up longer than the training', () => {
    expect(() => warmupCosine({ peak: 1, steps: 10, warmup: 11 })).toThrow(InputError);
    expect(() => warmupCosine({ peak: 1, steps: 10, warmup: 11 })).toThrow('warm-up 11 of 10 steps');
  });
});

describe('the order of examples', () => {
  test('has each once in an epoch, another order in the next, and is a function of the step', () => {
    const order = dataOrder({ count: 10, batchSize: 3, seed: 4 });
    const epoch = (first: number): number[] => [0, 1, 2].flatMap((i) => [...order(first + i)]);
    const [one, two] = [epoch(0), epoch(3)];
    expect(new Set(one).size).toBe(9);
    expect(new Set(two).size).toBe(9);
    expect(two).not.toEqual(one);
    expect([...dataOrder({ count: 10, batchSize: 3, seed: 4 })(4)]).toEqual(two.slice(3, 6));
    expect(dataOrder({ count: 10, batchSize: 3, seed: 5 })(0)).not.toEqual(order(0));
  });

  test('refuses fewer examples than a batch', () => {
    expect(() => dataOrder({ count: 2, batchSize: 3, seed: 0 })).toThrow('2 examples for batches of 3');
  });
});

test('random picks differ, cover all, and repeat with the seed', () => {
  const items = Array.from({ length: 20 }, (_, i) => i);
  const picked = pickDistinct(items, 20, createRandom(1, 2, 3));
  expect(picked.toSorted((a, b) => a - b)).toEqual(items);
  expect(pickDistinct(items, 20, createRandom(1, 2, 3))).toEqual(picked);
  expect(pickDistinct(items, 20, createRandom(1, 2, 4))).not.toEqual(picked);
  const random = createRandom(9, 0, 0);
  const mean = Array.from({ length: 4000 }, () => random.next()).reduce((sum, v) => sum + v, 0) / 4000;
  expect(mean).toBeCloseTo(0.5, 1);
});

describe('the loop', () => {
  const reportOf = (loss: number): StepReport => ({
    loss,
    gradientNorm: 1,
    learningRate: 0,
    lossScale: 1,
    steps: 0,
    skipped: 0,
  });

  test('submits ahead, reports in order, and has reported all where it stops for a checkpoint', async () => {
    const log: string[] = [];
    const open: (() => void)[] = [];
    await runTraining({
      trainer: {
        step: (_batches, rate) => {
          log.push(`submit ${rate}`);
          return new Promise((resolve) => {
            open.push(() => resolve(reportOf(rate)));
            // The loss of a step comes back after the next one was submitted.
            setTimeout(() => open.shift()?.(), 5);
          });
        },
      },
      batchesOf: () => [{}],
      schedule: (step) => step,
      startStep: 2,
      steps: 9,
      checkpointEvery: 4,
      onStep: (step, { loss }) => log.push(`report ${step} ${loss}`),
      onCheckpoint: async (step) => {
        log.push(`checkpoint ${step}`);
      },
    });
    expect(log.filter((line) => line.startsWith('report'))).toEqual(
      [2, 3, 4, 5, 6, 7, 8].map((step) => `report ${step + 1} ${step}`),
    );
    expect(log.slice(0, 3)).toEqual(['submit 2', 'submit 3', 'report 3 2']);
    expect(log.filter((line) => line.startsWith('checkpoint'))).toEqual([
      'checkpoint 4',
      'checkpoint 8',
      'checkpoint 9',
    ]);
    expect(log.indexOf('report 8 7')).toBeLessThan(log.indexOf('checkpoint 8'));
    expect(log.indexOf('checkpoint 8')).toBeLessThan(log.indexOf('submit 8'));
  });

  test('submits two steps ahead of the oldest loss', async () => {
    let [submitted, reported, most] = [0, 0, 0];
    await runTraining({
      trainer: {
        step: async () => {
          most = Math.max(most, ++submitted - reported);
          return reportOf(0);
        },
      },
      batchesOf: () => [{}],
      schedule: () => 1,
      steps: 12,
      onStep: () => {
        reported++;
      },
    });
    expect(most).toBe(3);
    expect(reported).toBe(12);
  });

  test('stops where the signal fires', async () => {
    const abort = new AbortController();
    const steps: number[] = [];
    const running = runTraining({
      trainer: { step: async () => reportOf(0) },
      batchesOf: () => [{}],
      schedule: () => 1,
      steps: 100,
      signal: abort.signal,
      onStep: (step) => {
        steps.push(step);
        if (step === 5) abort.abort();
      },
    });
    await expect(running).rejects.toThrow(AbortError);
    expect(steps.length).toBeLessThan(10);
  });

  test('passes on what a step throws', async () => {
    const running = runTraining({
      trainer: { step: async () => Promise.reject(new Error('device lost')) },
      batchesOf: () => [{}],
      schedule: () => 1,
      steps: 5,
    });
    await expect(running).rejects.toThrow('device lost');
  });
});

describe('metrics', () => {
  let folder = '';
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tessera-metrics-'));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  test('are a line of JSON per step, and go on after the step of a checkpoint', async () => {
    const path = join(folder, 'metrics.jsonl');
    const first = await openMetrics(path, 0);
    for (const step of [1, 2, 3]) first.add(step, { loss: step / 2 });
    await first.flush();
    first.add(4, { loss: Number.POSITIVE_INFINITY });
    await first.flush();
    expect(await readFile(path, 'utf8')).toBe(
      '{"step":1,"loss":0.5}\n{"step":2,"loss":1}\n{"step":3,"loss":1.5}\n{"step":4,"loss":null}\n',
    );
    // A process killed while it wrote leaves half a line.
    await writeFile(path, `${await readFile(path, 'utf8')}{"step":5,"lo`);
    const second = await openMetrics(path, 3);
    expect(second.lines.map(({ step }) => step)).toEqual([1, 2, 3]);
    second.add(4, { loss: 2 });
    await second.flush();
    expect((await readFile(path, 'utf8')).split('\n').slice(2)).toEqual([
      '{"step":3,"loss":1.5}',
      '{"step":4,"loss":2}',
      '',
    ]);
  });
});

describe('the report', () => {
  const lines = Array.from({ length: 300 }, (_, i) => ({ step: i + 1, loss: 4 / (i + 1) }));
  const page = renderReport({
    title: 'a <small> run',
    facts: [['adapter', 'a & b']],
    lines: [...lines, { step: 300, accuracy: 0.75 }],
    series: [
      { title: 'Loss', metric: 'loss', unit: 'number' },
      { title: 'Accuracy', metric: 'accuracy', unit: 'percent' },
      { title: 'Nothing', metric: 'none', unit: 'number' },
    ],
    refreshSeconds: 5,
  });

  test('is a page that loads nothing from elsewhere, its texts escaped', () => {
    expect(page).toContain('<title>a &lt;small&gt; run</title>');
    expect(page).toContain('<th>adapter</th><td>a &amp; b</td>');
    expect(page).not.toMatch(/<script|src=|href=/);
    expect(page).toContain('content="5"');
    expect(page.match(/<svg /g)).toHaveLength(2);
    expect(page).toContain('nothing yet');
  });

  test('draws each point where it belongs', () => {
    // 300 points as they are, and 50 means over them.
    const [raw = '', smooth = ''] = [...page.matchAll(/points="([^"]*)"/g)].map((match) => match[1] ?? '');
    expect(raw.split(' ')).toHaveLength(300);
    expect(smooth.split(' ')).toHaveLength(50);
    expect(raw.split(' ')[0]).toBe('66.1,12.0');
    expect(raw.split(' ').at(-1)).toBe('704.0,199.4');
    expect(page).toContain('704.0,59.0');
  });

  test('thins to means', () => {
    const points = pointsOf(
      lines.slice(0, 6).map(({ step }) => ({ step, loss: step })),
      'loss',
    );
    expect(thin(points, 3)).toEqual([
      { step: 2, value: 1.5 },
      { step: 4, value: 3.5 },
      { step: 6, value: 5.5 },
    ]);
  });
});

describe('the chart in a terminal', () => {
  test('draws a line from the top left to the bottom right', () => {
    expect(brailleChart([4, 3, 2, 1], { columns: 7, rows: 1 })).toEqual(['4.00 ⠑⢄']);
    expect(brailleChart([1, 2], { columns: 6, rows: 2 })).toEqual(['2.00 ⢸', '1.00 ⡸']);
  });

  test('joins many values to the width, and is empty without any', () => {
    const chart = brailleChart(
      Array.from({ length: 1000 }, (_, i) => Math.sin(i / 50)),
      { columns: 40, rows: 5 },
    );
    expect(chart).toHaveLength(5);
    expect(Math.max(...chart.map(({ length }) => length))).toBe(40);
    expect(brailleChart([Number.NaN], { columns: 40, rows: 5 })).toEqual([]);
  });
});
