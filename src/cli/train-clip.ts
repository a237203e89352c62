import { resolve } from 'node:path';
import { AbortError } from '../core/errors.ts';
import { requestDevice } from '../device/request-device.ts';
import { pointsOf } from '../train/report.ts';
import { CLASS_COUNTS, type SceneAccuracy } from '../train/scenes/evaluate.ts';
import { SCENE_SETTINGS, type SceneSettings } from '../train/scenes/settings.ts';
import { trainScenes } from '../train/scenes/train-scenes.ts';
import type { Terminal } from './command.ts';
import type { TrainValues } from './train.ts';
import { createTrainingDisplay } from './training-display.ts';
import { formatBytes, formatCount, formatMs } from './units.ts';
import { UsageError } from './usage-error.ts';

/** Options that a resumed training has from its beginning. */
const FIXED = ['out', 'steps', 'seed', 'batch', 'learning-rate', 'checkpoint-every', 'recompute'] as const;

/** `tessera train clip`. */
export async function trainClip(values: TrainValues, { stdout, stderr, signal }: Terminal): Promise<number> {
  const settings = readSettings(values);
  const folder = resolve(values.resume ?? values.out ?? 'clip-scenes');
  const device = await requestDevice({ adapter: values.adapter });
  if (device.notice) stderr.write(`${device.notice}\n`);
  const display = createTrainingDisplay(stderr);
  let startedMs = performance.now();
  let [first, total] = [0, 0];
  try {
    const { path, parameterCount, accuracy } = await trainScenes({
      device,
      folder,
      settings,
      keep: values.keep,
      signal,
      onStart(used, step, { kept, recomputed }) {
        [first, total, startedMs] = [step, used.steps, performance.now()];
        stderr.write(
          `${device.caps.adapterName}: ${step === 0 ? 'new training' : `from step ${step}`}, ${formatCount(used.steps)} steps of ${used.batchSize} pairs, seed ${used.seed}\n`,
        );
        stderr.write(
          `Memory: ${formatBytes(kept.states)} of weights and moments; activations ${formatBytes(kept.activations)}, or ${formatBytes(recomputed.activations)} where layers are computed again${used.recompute ? ', as now' : ' (--recompute)'}\n`,
        );
      },
      onStep(step, { loss }, lines) {
        const msPerStep = (performance.now() - startedMs) / (step - first);
        const left = formatMs((total - step) * msPerStep);
        const text = `step ${step} of ${total}  loss ${loss.toFixed(3)}  ${formatMs(msPerStep)} a step  ${left} left`;
        display.step(
          step,
          text,
          pointsOf(lines, 'loss').map(({ value }) => value),
        );
      },
      onCheckpoint: (step, at, reached) => display.note(`step ${step}: ${formatAccuracy(reached)}; ${at}`),
    });
    if (values.json) {
      stdout.write(`${JSON.stringify({ path, parameterCount, ...accuracy })}\n`);
      return 0;
    }
    stdout.write(
      [
        `Trained ${formatCount(parameterCount)} parameters in ${formatMs(performance.now() - startedMs)} on ${device.caps.adapterName}.`,
        `Zero-shot accuracy on compositions never trained on: ${percent(accuracy.heldOut)} of ${CLASS_COUNTS.heldOut} classes, ${percent(accuracy.heldOutAmongAll)} among all ${CLASS_COUNTS.all}; trained ones ${percent(accuracy.trained)}.`,
        `Model: ${path}`,
        '',
      ].join('\n'),
    );
    return 0;
  } catch (error) {
    if (error instanceof AbortError) stderr.write(`Go on with: tessera train clip --resume ${folder}\n`);
    throw error;
  } finally {
    device.dispose();
  }
}

/** Undefined for a training that is resumed. Throws UsageError for options that do not go together. */
function readSettings(values: TrainValues): SceneSettings | undefined {
  if (values.resume !== undefined) {
    const given = FIXED.filter((name) => values[name] !== undefined && values[name] !== false);
    if (given.length === 0) return undefined;
    throw new UsageError(
      `train: --resume goes on with the settings of the checkpoint; expected no --${given.join(', --')} beside it.`,
    );
  }
  if (values.encoder !== undefined) throw new UsageError('train: --encoder is for the projector example.');
  const steps = values.steps ?? SCENE_SETTINGS.steps;
  return {
    seed: values.seed ?? SCENE_SETTINGS.seed,
    steps,
    batchSize: values.batch ?? SCENE_SETTINGS.batchSize,
    learningRate: values['learning-rate'] ?? SCENE_SETTINGS.learningRate,
    warmup: Math.min(SCENE_SETTINGS.warmup, Math.floor(steps / 4)),
    checkpointEvery: values['checkpoint-every'] ?? SCENE_SETTINGS.checkpointEvery,
    recompute: values.recompute,
  };
}

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;

const formatAccuracy = ({ heldOut, heldOutAmongAll, trained }: SceneAccuracy): string =>
  `zero-shot ${percent(heldOut)} of held-out classes, ${percent(heldOutAmongAll)} among all; trained ${percent(trained)}`;
