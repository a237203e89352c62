import { join } from 'node:path';
import { runSweep, type SweepOptions } from '../train/ablation/run-sweep.ts';
import { differingLabels } from '../train/ablation/sweep-config.ts';
import { sweepTable } from '../train/ablation/sweep-table.ts';
import type { Terminal } from './command.ts';
import { formatTable } from './table.ts';
import { createTrainingDisplay } from './training-display.ts';
import { formatBytes, formatCount, formatFlops, formatMs } from './units.ts';

export interface ShownSweep extends Pick<SweepOptions, 'device' | 'config' | 'folder'> {
  readonly json: boolean;
}

const RIGHT = 'right' as const;

/** Runs a sweep: what each point takes and how it gets on to stderr, the table or JSON lines to stdout. */
export async function showSweep(
  { json, ...sweep }: ShownSweep,
  { stdout, stderr, signal }: Terminal,
): Promise<number> {
  const display = createTrainingDisplay(stderr);
  const names = new Map<string, string>();
  let [running, startedMs] = ['', 0];
  const results = await runSweep({
    ...sweep,
    signal,
    onPlan(points) {
      const labels = differingLabels(points);
      points.forEach(({ key }, i) => {
        names.set(key, labels[i] ?? '');
      });
      stderr.write(`${sweep.config.title}: ${points.length} points on ${sweep.device.caps.adapterName}\n`);
      const rows = points.map(({ cost, isDone }, i) => [
        `  ${labels[i]}`,
        `${cost.tokens.perClip} tokens`,
        `${formatCount(cost.parameters.trained)} of ${formatCount(cost.parameters.total)} parameters trained`,
        `${formatFlops(cost.flops.total)}FLOP a clip`,
        `${formatBytes(cost.memory.trainingStates + cost.memory.trainingActivations)} in training`,
        isDone ? 'done' : '',
      ]);
      stderr.write(`${formatTable(rows, ['left', RIGHT, RIGHT, RIGHT, RIGHT]).join('\n')}\n`);
    },
    onStep({ key, settings: { steps } }, step, losses) {
      if (running !== key) [running, startedMs] = [key, performance.now()];
      const msPerStep = step > 1 ? formatMs((performance.now() - startedMs) / (step - 1)) : '-';
      const text = `${names.get(key)}: step ${step} of ${steps}  loss ${losses.at(-1)?.toFixed(3)}  ${msPerStep} a step`;
      display.step(step, text, losses);
    },
    onResult({ key, accuracy, loss, trainingMs }, done, total) {
      const share = (100 * accuracy).toFixed(1);
      display.note(
        `${done} of ${total}: ${names.get(key)}: ${share} % right, loss ${loss.toFixed(3)}, ${formatMs(trainingMs)}`,
      );
    },
  });
  if (json) {
    stdout.write(results.map((result) => `${JSON.stringify(result)}\n`).join(''));
    return 0;
  }
  const rows = sweepTable(results);
  stdout.write(`${formatTable(rows, ['left', ...(rows[0]?.slice(1).map(() => RIGHT) ?? [])]).join('\n')}\n`);
  stdout.write(`Report: ${join(sweep.folder, 'report.html')}\n`);
  return 0;
}
