import { type ChartSeries, renderChart, renderPage, renderTable } from '../chart.ts';
import type { SweepResult } from './results.ts';
import { differingLabels, type SweepConfig, type SweepPoint } from './sweep-config.ts';
import { sweepTable } from './sweep-table.ts';
import type { Task } from './task.ts';

export interface SweepReport {
  readonly task: Pick<Task, 'chance'>;
  /** All points, those to come too. */
  readonly points: readonly SweepPoint[];
  readonly refreshSeconds: number | null;
}

/** The table of a sweep, accuracy against tokens and against FLOPs, and the curves of all points. */
export function renderSweep(
  config: SweepConfig,
  results: readonly SweepResult[],
  { task, points, refreshSeconds }: SweepReport,
): string {
  const names = differingLabels(results);
  const level = { name: 'guessing', value: task.chance };
  const facts = [
    ['Task', config.task.kind === 'scenes' ? 'scenes' : `motion, ${config.task.frames} frames`],
    ['Points', `${results.length} of ${points.length}`],
    ['Adapter', [...new Set(results.map(({ adapter }) => adapter))].join(', ')],
    ['Seed', String(config.seed)],
    ['Batch', String(config.batchSize)],
    ['Learning rate', String(config.learningRate)],
  ];
  const curves = results.map(
    ({ curve }, i): ChartSeries => ({ name: names[i] ?? '', style: 'line', points: curve }),
  );
  const marks = (across: (result: SweepResult) => number): readonly ChartSeries[] =>
    results.map((result, i) => ({
      name: names[i] ?? '',
      style: 'marks',
      points: [{ step: across(result), value: result.accuracy }],
    }));
  return renderPage({
    title: config.title,
    refreshSeconds,
    parts: [
      renderTable(facts, { header: false }),
      renderTable(sweepTable(results), { header: true }),
      renderChart({
        title: 'Accuracy by tokens per clip',
        unit: 'percent',
        across: 'tokens that the decoder reads',
        series: marks(({ cost }) => cost.tokens.perClip),
        level,
      }),
      renderChart({
        title: 'Accuracy by arithmetic',
        unit: 'percent',
        across: 'MFLOP of one clip',
        series: marks(({ cost }) => cost.flops.total / 1e6),
        level,
      }),
      renderChart({ title: 'Loss', unit: 'number', across: 'step', series: curves }),
    ],
  });
}
