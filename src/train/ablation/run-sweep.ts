import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { AbortError } from '../../core/errors.ts';
import type { Device } from '../../device/gpu-device.ts';
import { SINGLE_FILE } from '../../weights/checkpoint.ts';
import { encodeSafetensors } from '../../weights/write-safetensors.ts';
import { removeUnfinished, replaceFile, writeFolder } from '../atomic-folder.ts';
import { thin } from '../chart.ts';
import { labelsOf } from './architecture.ts';
import { type ArchitectureCost, costOf } from './cost.ts';
import { openVlm } from './open-vlm.ts';
import { addResult, readResults, type SweepResult } from './results.ts';
import { pointsOf, type SweepConfig, type SweepPoint } from './sweep-config.ts';
import { renderSweep } from './sweep-report.ts';
import { createTask } from './task.ts';
import { trainPoint } from './train-point.ts';

export interface SweepOptions {
  readonly device: Device;
  readonly config: SweepConfig;
  /** Where results.jsonl, report.html and trained weights go. Points that are there already are not trained again. */
  readonly folder: string;
  readonly signal?: AbortSignal | undefined;
  /** What each point takes, before any is trained. */
  readonly onPlan?: ((points: readonly PlannedPoint[]) => void) | undefined;
  readonly onStep?: ((point: SweepPoint, step: number, losses: readonly number[]) => void) | undefined;
  readonly onResult?: ((result: SweepResult, done: number, total: number) => void) | undefined;
}

export interface PlannedPoint extends SweepPoint {
  readonly cost: ArchitectureCost;
  readonly isDone: boolean;
}

const CURVE_POINTS = 60;
const REFRESH_SECONDS = 15;

/**
 * Trains the points of a grid one after another, and gives their results in order. Throws AbortError where the signal fired:
 * finished points stay, and a later call goes on with the others.
 */
export async function runSweep(options: SweepOptions): Promise<readonly SweepResult[]> {
  const { device, config, folder, signal } = options;
  const points = pointsOf(config);
  const task = createTask(config.task, config.seed);
  const path = join(folder, 'results.jsonl');
  await mkdir(folder, { recursive: true });
  await removeUnfinished(folder);
  const known = await readResults(path);

  const planned: PlannedPoint[] = [];
  for (const point of points) {
    const opened = await openVlm(point.architecture, task);
    const { trainable, vlm } = opened;
    const cost = known.get(point.key)?.cost ?? costOf(vlm, task, { batchSize: config.batchSize, trainable });
    planned.push({ ...point, cost, isDone: known.has(point.key) });
    await opened.close();
  }
  options.onPlan?.(planned);

  const results: SweepResult[] = [];
  const report = (isDone: boolean): Promise<void> =>
    replaceFile(
      join(folder, 'report.html'),
      renderSweep(config, results, { task, points, refreshSeconds: isDone ? null : REFRESH_SECONDS }),
    );
  for (const { cost, isDone: _isDone, ...point } of planned) {
    if (signal?.aborted) throw new AbortError('sweep: aborted by the caller');
    const result = known.get(point.key) ?? (await runPoint(point, cost));
    results.push(result);
    await report(results.length === points.length);
    options.onResult?.(result, results.length, points.length);
  }
  return results;

  async function runPoint(point: SweepPoint, cost: ArchitectureCost): Promise<SweepResult> {
    const opened = await openVlm(point.architecture, task);
    try {
      const { accuracy, loss, losses, trainingMs } = await trainPoint(
        {
          ...{ device, opened, task, settings: point.settings, signal },
          onStep: (step, all) => options.onStep?.(point, step, all),
        },
        (tensors) =>
          writeFolder(
            join(folder, `point-${point.key}`),
            new Map([[SINGLE_FILE, encodeSafetensors(tensors)]]),
          ),
      );
      const steps = losses.map((value, i) => ({ step: i + 1, value }));
      const curve = thin(steps, CURVE_POINTS);
      const labels = labelsOf(point.architecture);
      const { adapterName: adapter } = device.caps;
      const result = { ...point, labels, cost, adapter, accuracy, loss, trainingMs, curve };
      await addResult(path, result);
      return result;
    } finally {
      await opened.close();
    }
  }
}
