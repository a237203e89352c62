import { ConfigError } from '../../core/errors.ts';
import type { Device } from '../../device/gpu-device.ts';
import type { TensorData } from '../../weights/write-safetensors.ts';
import { runTraining } from '../run-training.ts';
import { warmupCosine } from '../schedule.ts';
import { trainedTensors } from '../trained-weights.ts';
import { createTrainer } from '../trainer.ts';
import { evaluateVlm } from './evaluate.ts';
import { batchOf, clipLoss } from './losses.ts';
import { initialWeights } from './new-weights.ts';
import type { OpenedVlm } from './open-vlm.ts';
import { OPTIMIZER } from './optimizer.ts';
import type { Task } from './task.ts';

/** How long and how fast every architecture learns. */
export interface TrainingSettings {
  readonly seed: number;
  readonly steps: number;
  readonly batchSize: number;
  /** The largest, after a warm-up over a tenth of the steps. */
  readonly learningRate: number;
}

export interface PointOptions {
  readonly device: Device;
  readonly opened: OpenedVlm;
  readonly task: Task;
  readonly settings: TrainingSettings;
  readonly signal?: AbortSignal | undefined;
  readonly onStep?: ((step: number, losses: readonly number[]) => void) | undefined;
}

export interface PointResult {
  /** Share of the evaluation that is right. */
  readonly accuracy: number;
  /** Mean over the last tenth of the steps. */
  readonly loss: number;
  /** Loss of each step. */
  readonly losses: readonly number[];
  /** From the first step to the last; the evaluation is left out. */
  readonly trainingMs: number;
}

/** Trains one architecture and judges it; `save` gets what was trained. Throws AbortError where the signal fired. */
export async function trainPoint(
  { device, opened, task, settings, signal, onStep }: PointOptions,
  save?: (tensors: readonly TensorData[]) => Promise<void>,
): Promise<PointResult> {
  const { vlm, loaded, trainable } = opened;
  const { seed, steps, batchSize, learningRate } = settings;
  if (batchSize > task.largestBatch) {
    throw new ConfigError(
      `ablation: a batch of ${batchSize}, but the task has ${task.largestBatch} different answers; expected no more than those.`,
    );
  }
  const loss = clipLoss(vlm, task, batchSize);
  const index = initialWeights(loss, loaded, vlm.loss, seed);
  const trainer = await createTrainer(device, loss, index, {
    ...OPTIMIZER,
    trainable,
    largest: { logit_scale: Math.log(100) },
  });
  try {
    const losses: number[] = [];
    const startedMs = performance.now();
    await runTraining({
      trainer,
      steps,
      schedule: warmupCosine({ peak: learningRate, steps, warmup: Math.floor(steps / 10) }),
      batchesOf: (step) => [batchOf(vlm, task, task.batch(step, batchSize))],
      signal,
      onStep(step, report) {
        losses.push(report.loss);
        onStep?.(step, losses);
      },
    });
    const trainingMs = performance.now() - startedMs;
    const accuracy = await evaluateVlm(trainer, vlm, task, batchSize);
    const last = losses.slice(-Math.ceil(steps / 10));
    if (save) {
      const states = await trainer.readStates(trainer.stateNames);
      const trained = new Map([...index].filter(([name]) => trainer.trainables.has(name)));
      await save(await trainedTensors(trainer, states, trained));
    }
    return {
      accuracy,
      loss: last.reduce((sum, value) => sum + value, 0) / last.length,
      losses,
      trainingMs,
    };
  } finally {
    trainer.dispose();
  }
}
