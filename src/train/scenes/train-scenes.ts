import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { InputError } from '../../core/errors.ts';
import type { Device } from '../../device/gpu-device.ts';
import { loadContrastiveModel } from '../../embed/load-contrastive-model.ts';
import { createDualEncoder } from '../../models/registry.ts';
import { removeUnfinished, replaceFile } from '../atomic-folder.ts';
import { listCheckpoints, readTrainerSettings, restoreCheckpoint, saveCheckpoint } from '../checkpoint.ts';
import { type MetricsLine, openMetrics } from '../metrics.ts';
import { renderReport } from '../report.ts';
import { runTraining } from '../run-training.ts';
import { warmupCosine } from '../schedule.ts';
import { createTrainer, type StepReport } from '../trainer.ts';
import type { TrainingGraphOptions } from '../training-graph.ts';
import { type TrainingMemory, trainingMemory } from '../training-memory.ts';
import { evaluateScenes, type SceneAccuracy } from './evaluate.ts';
import { SCENE_MODEL, type SceneModelSizes, sceneModelFiles } from './files.ts';
import { EXAMPLE, parseSceneSettings, type SceneSettings } from './settings.ts';
import { clipLimits, contrastiveLoss, createSceneBatches, newContrastiveWeights } from './training.ts';

export interface TrainScenesOptions {
  readonly device: Device;
  /** Where checkpoints, metrics and the report go. */
  readonly folder: string;
  /** Of a new training; undefined goes on where the newest checkpoint in the folder stopped. */
  readonly settings: SceneSettings | undefined;
  /** Checkpoints that stay; default 3. */
  readonly keep?: number | undefined;
  /** Default the sizes of `SCENE_MODEL`; of a resumed training what it began with. */
  readonly sizes?: SceneModelSizes | undefined;
  /** Pictures of each held-out composition that the result is judged by; default 4. */
  readonly rounds?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onPipelines?: ((done: number, total: number) => void) | undefined;
  readonly onStart?: ((settings: SceneSettings, step: number, memory: SceneMemory) => void) | undefined;
  readonly onStep?: ((step: number, report: StepReport, lines: readonly MetricsLine[]) => void) | undefined;
  readonly onCheckpoint?: ((step: number, path: string, accuracy: SceneAccuracy) => void) | undefined;
}

/** GPU bytes of a step, its activations kept for the backward pass, or computed again layer by layer. */
export interface SceneMemory {
  readonly kept: TrainingMemory;
  readonly recomputed: TrainingMemory;
}

export interface TrainedScenes {
  /** The newest checkpoint, which loads as a CLIPModel. */
  readonly path: string;
  readonly settings: SceneSettings;
  readonly parameterCount: number;
  readonly accuracy: SceneAccuracy;
}

const REPORT_EVERY = 20;
const REFRESH_SECONDS = 15;
/** The layers of each tower. */
const LAYERS = /^.*\blayers\.\d+/;

/**
 * Trains a small CLIP from nothing on drawn scenes. A folder that was killed while training goes on from its newest
 * checkpoint. Throws InputError for a folder that cannot be used so, AbortError where the signal fired.
 */
export async function trainScenes(options: TrainScenesOptions): Promise<TrainedScenes> {
  const { device, folder, keep = 3, rounds = 4, signal } = options;
  await mkdir(folder, { recursive: true });
  await removeUnfinished(folder);
  const start = await findStart(options);
  const { settings, sizes, step: startStep } = start;
  const { seed, batchSize, steps, learningRate, warmup, checkpointEvery } = settings;

  const files = sceneModelFiles(sizes);
  const model = createDualEncoder(files['config.json'], 'scenes');
  const batches = createSceneBatches(model, files, { batchSize, seed });
  const index = newContrastiveWeights(model, seed);
  const loss = contrastiveLoss(model, batchSize, batches.seq);
  const training: TrainingGraphOptions = {
    optimizer: { kind: 'adamw', beta2: 0.98, weightDecay: 0.05 },
    clipNorm: 1,
    largest: clipLimits(model),
  };
  const memoryWith = (recompute: RegExp | undefined): TrainingMemory =>
    trainingMemory(loss, index, { ...training, recompute }, device.caps);
  const memory = { kept: memoryWith(undefined), recomputed: memoryWith(LAYERS) };
  const trainer = await createTrainer(device, loss, index, {
    ...training,
    recompute: settings.recompute ? LAYERS : undefined,
    onProgress: options.onPipelines,
  });
  try {
    if (start.path !== undefined) await restoreCheckpoint(start.path, trainer);
    const metrics = await openMetrics(join(folder, 'metrics.jsonl'), startStep);
    options.onStart?.(settings, startStep, memory);
    const parameterCount = [...trainer.trainables.values()].reduce(
      (sum, { shape }) => sum + shape.reduce((product, size) => product * size, 1),
      0,
    );
    const facts = [
      ['Adapter', device.caps.adapterName],
      ['Parameters', String(parameterCount)],
      ['Activations, kept', `${memory.kept.activations} bytes`],
      ['Activations, layers computed again', `${memory.recomputed.activations} bytes`],
      ...Object.entries(settings).map(([name, value]) => [name, String(value)] as const),
    ] as const;
    const report = (isDone: boolean): Promise<void> =>
      replaceFile(join(folder, 'report.html'), reportOf(metrics.lines, facts, isDone));
    // One after the other: two that are written at once would race for the file's name.
    let reported: Promise<void> = Promise.resolve();
    let result: TrainedScenes | undefined;

    const evaluate = async (path: string, count: number): Promise<SceneAccuracy> => {
      const trained = await loadContrastiveModel(path, { device });
      try {
        return await evaluateScenes(trained, { seed, rounds: count });
      } finally {
        trained.dispose();
      }
    };
    await runTraining({
      trainer,
      batchesOf: (step) => [batches.batch(step)],
      schedule: warmupCosine({ peak: learningRate, steps, warmup }),
      steps,
      startStep,
      checkpointEvery,
      signal,
      onStep(step, stepReport) {
        const { loss, gradientNorm, learningRate: rate } = stepReport;
        metrics.add(step, { loss, gradientNorm, learningRate: rate });
        if (step % REPORT_EVERY === 0)
          reported = reported.then(async () => {
            await metrics.flush();
            await report(false);
          });
        options.onStep?.(step, stepReport, metrics.lines);
      },
      async onCheckpoint(step) {
        await reported;
        await metrics.flush();
        const saved = { example: EXAMPLE, ...settings, sizes };
        const path = await saveCheckpoint(folder, { step, trainer, index, files, settings: saved }, keep);
        const accuracy = await evaluate(path, step === steps ? rounds : 1);
        metrics.add(step, { ...accuracy });
        await metrics.flush();
        await report(step === steps);
        options.onCheckpoint?.(step, path, accuracy);
        result = { path, settings, parameterCount, accuracy };
      },
    });
    await reported;
    if (result) return result;
    const path = start.path ?? folder;
    return { path, settings, parameterCount, accuracy: await evaluate(path, rounds) };
  } finally {
    trainer.dispose();
  }
}

interface Start {
  readonly settings: SceneSettings;
  readonly sizes: SceneModelSizes;
  readonly step: number;
  /** The checkpoint to go on from. */
  readonly path: string | undefined;
}

async function findStart({ folder, settings, sizes = SCENE_MODEL }: TrainScenesOptions): Promise<Start> {
  const [newest] = await listCheckpoints(folder);
  if (settings) {
    if (newest) {
      throw new InputError(
        `"${folder}": holds checkpoints up to step ${newest.step} already; expected an empty folder for a new training. Resume it, or choose another.`,
      );
    }
    return { settings, sizes, step: 0, path: undefined };
  }
  if (!newest) {
    throw new InputError(
      `"${folder}": holds no checkpoint; expected the folder of a training that has written one. Begin a new one there.`,
    );
  }
  const { step, settings: json } = await readTrainerSettings(newest.path);
  return {
    settings: parseSceneSettings(json, newest.path),
    sizes: (json as { readonly sizes: SceneModelSizes }).sizes,
    step,
    path: newest.path,
  };
}

const reportOf = (
  lines: readonly MetricsLine[],
  facts: readonly (readonly [string, string])[],
  isDone: boolean,
): string =>
  renderReport({
    title: 'tessera train clip',
    facts,
    lines,
    refreshSeconds: isDone ? null : REFRESH_SECONDS,
    series: [
      { title: 'Loss', metric: 'loss', unit: 'number' },
      { title: 'Zero-shot accuracy, 96 held-out classes', metric: 'heldOut', unit: 'percent' },
      { title: 'The same pictures among all 384 classes', metric: 'heldOutAmongAll', unit: 'percent' },
      { title: 'Norm of the gradients', metric: 'gradientNorm', unit: 'number' },
      { title: 'Learning rate', metric: 'learningRate', unit: 'number' },
    ],
  });
