import { resolve } from 'node:path';
import { AbortError } from '../core/errors.ts';
import { requestDevice } from '../device/request-device.ts';
import { MOTION_SETTINGS, motionSweep } from '../train/ablation/motion-example.ts';
import { PROJECTOR_SETTINGS, prepareParts, projectorSweep } from '../train/ablation/projector-example.ts';
import type { TrainingSettings } from '../train/ablation/train-point.ts';
import type { Terminal } from './command.ts';
import { showSweep } from './show-sweep.ts';
import type { TrainValues } from './train.ts';
import { createTrainingDisplay } from './training-display.ts';
import { UsageError } from './usage-error.ts';

/** Options of `train clip` alone. */
const CLIP_ALONE = ['resume', 'checkpoint-every', 'recompute', 'keep'] as const;

/** `tessera train projector`. */
export async function trainProjector(values: TrainValues, terminal: Terminal): Promise<number> {
  const settings = readSettings(values, PROJECTOR_SETTINGS);
  const folder = resolve(values.out ?? 'projector-sweep');
  const { stderr, signal } = terminal;
  const encoder = values.encoder === undefined ? undefined : resolve(values.encoder);
  const again = `tessera train projector --out ${folder}${encoder === undefined ? '' : ` --encoder ${encoder}`}`;
  return withDevice(values, terminal, again, async (device) => {
    const display = createTrainingDisplay(stderr);
    const parts = await prepareParts({
      ...{ device, folder, seed: settings.seed, signal },
      encoder,
      onStep: (part, step, steps, losses) =>
        display.step(step, `${part}: step ${step} of ${steps}  loss ${losses.at(-1)?.toFixed(3)}`, losses),
    });
    display.note(`frozen: ${parts.encoder} and ${parts.decoder}`);
    return showSweep(
      { device, config: projectorSweep(parts, settings), folder, json: values.json },
      terminal,
    );
  });
}

/** `tessera train motion`. */
export async function trainMotion(values: TrainValues, terminal: Terminal): Promise<number> {
  if (values.encoder !== undefined) throw new UsageError('train: --encoder is for the projector example.');
  const config = motionSweep(readSettings(values, MOTION_SETTINGS));
  const folder = resolve(values.out ?? 'motion-sweep');
  return withDevice(values, terminal, `tessera train motion --out ${folder}`, (device) =>
    showSweep({ device, config, folder, json: values.json }, terminal),
  );
}

type Device = Awaited<ReturnType<typeof requestDevice>>;

/** Says how to go on where it was interrupted. */
export async function withDevice(
  { adapter }: Pick<TrainValues, 'adapter'>,
  { stderr }: Terminal,
  command: string,
  run: (device: Device) => Promise<number>,
): Promise<number> {
  const device = await requestDevice({ adapter });
  if (device.notice) stderr.write(`${device.notice}\n`);
  try {
    return await run(device);
  } catch (error) {
    if (error instanceof AbortError) stderr.write(`Go on with: ${command}\n`);
    throw error;
  } finally {
    device.dispose();
  }
}

function readSettings(values: TrainValues, defaults: TrainingSettings): TrainingSettings {
  const given = CLIP_ALONE.filter((name) => values[name] !== undefined && values[name] !== false);
  if (given.length > 0)
    throw new UsageError(
      `train: --${given.join(', --')} is for the clip example; expected --out, whose finished points stay.`,
    );
  return {
    seed: values.seed ?? defaults.seed,
    steps: values.steps ?? defaults.steps,
    batchSize: values.batch ?? defaults.batchSize,
    learningRate: values['learning-rate'] ?? defaults.learningRate,
  };
}
