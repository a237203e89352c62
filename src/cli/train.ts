import { resolve } from 'node:path';
import { AbortError } from '../core/errors.ts';
import { requestDevice } from '../device/request-device.ts';
import { pointsOf } from '../train/report.ts';
import { CLASS_COUNTS, type SceneAccuracy } from '../train/scenes/evaluate.ts';
import { SCENE_SETTINGS, type SceneSettings } from '../train/scenes/settings.ts';
import { trainScenes } from '../train/scenes/train-scenes.ts';
import { brailleChart } from './braille-chart.ts';
import { defineCommand, type OptionValues } from './command.ts';
import { modelOptions } from './model-options.ts';
import { formatBytes, formatCount, formatMs } from './units.ts';
import { UsageError } from './usage-error.ts';

const options = {
  out: {
    kind: 'text',
    value: 'DIR',
    help: 'folder for checkpoints, metrics.jsonl and report.html; default clip-scenes',
  },
  resume: {
    kind: 'text',
    value: 'DIR',
    help: 'go on from the newest checkpoint in DIR, with the settings it was begun with',
  },
  steps: { kind: 'integer', value: 'N', min: 1, help: `default ${SCENE_SETTINGS.steps}` },
  seed: {
    kind: 'integer',
    value: 'S',
    min: 0,
    max: 2 ** 32 - 1,
    help: `of weights, pictures and their order; default ${SCENE_SETTINGS.seed}`,
  },
  batch: {
    kind: 'integer',
    value: 'N',
    min: 2,
    max: 288,
    help: `pairs of a step; default ${SCENE_SETTINGS.batchSize}`,
  },
  'learning-rate': {
    kind: 'number',
    value: 'X',
    min: 0,
    help: `the largest, after a warm-up; default ${SCENE_SETTINGS.learningRate}`,
  },
  'checkpoint-every': {
    kind: 'integer',
    value: 'N',
    min: 1,
    help: `steps between checkpoints; default ${SCENE_SETTINGS.checkpointEvery}`,
  },
  recompute: {
    kind: 'flag',
    help: 'compute layers again in the backward pass instead of keeping what is in them: less memory, more time',
  },
  keep: { kind: 'integer', value: 'N', min: 1, help: 'checkpoints that stay; default 3' },
  adapter: modelOptions.adapter,
} as const;

/** Options that a resumed training has from its beginning. */
const FIXED = ['out', 'steps', 'seed', 'batch', 'learning-rate', 'checkpoint-every', 'recompute'] as const;
/** Steps between lines where the terminal draws no chart. */
const LINE_EVERY = 20;
const CHART_ROWS = 6;
const CHART_EVERY_MS = 500;

export const trainCommand = defineCommand({
  name: 'train',
  details: [
    'Trains a small CLIP from nothing on drawn pictures of one coloured shape and their captions, such as "a small striped red circle", and says how many pictures of compositions it never saw it classifies by text prompts alone.',
    'Each checkpoint is an ordinary CLIPModel folder, for classify, embed and search. A run that is killed goes on from the last one with --resume; its losses are then those of a run that was not. report.html shows the curves while it trains.',
  ].join('\n\n'),
  operands: { usage: 'clip', min: 1, max: 1 },
  options,
  examples: [
    'tessera train clip --out ./scenes --seed 0',
    'tessera train clip --resume ./scenes',
    'tessera classify picture.png --labels "red circle,blue star" --model ./scenes/checkpoint-001200',
  ],
  async run(values, [example = ''], terminal) {
    if (example !== 'clip') throw new UsageError(`train: there is no example "${example}"; expected clip.`);
    const settings = readSettings(values);
    const folder = resolve(values.resume ?? values.out ?? 'clip-scenes');
    const { stdout, stderr, signal } = terminal;
    const device = await requestDevice({ adapter: values.adapter });
    if (device.notice) stderr.write(`${device.notice}\n`);
    const display = createDisplay(stderr);
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
  },
});

/** Undefined for a training that is resumed. Throws UsageError for options that do not go together. */
function readSettings(values: OptionValues<typeof options>): SceneSettings | undefined {
  if (values.resume !== undefined) {
    const given = FIXED.filter((name) => values[name] !== undefined && values[name] !== false);
    if (given.length === 0) return undefined;
    throw new UsageError(
      `train: --resume goes on with the settings of the checkpoint; expected no --${given.join(', --')} beside it.`,
    );
  }
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

/** A chart that is drawn over itself on a terminal, a line now and then elsewhere. */
function createDisplay(stderr: NodeJS.WriteStream) {
  let drawnRows = 0;
  let drawnMs = Number.NEGATIVE_INFINITY;
  const clear = (): void => {
    if (drawnRows > 0) stderr.write(`\x1b[${drawnRows}A\x1b[J`);
    drawnRows = 0;
  };
  return {
    step(step: number, text: string, losses: readonly number[]): void {
      if (!stderr.isTTY) {
        if (step % LINE_EVERY === 0) stderr.write(`${text}\n`);
        return;
      }
      if (performance.now() - drawnMs < CHART_EVERY_MS) return;
      drawnMs = performance.now();
      clear();
      const columns = Math.min(stderr.columns || 80, 100) - 1;
      const lines = [...brailleChart(losses, { columns, rows: CHART_ROWS }), text.slice(0, columns)];
      drawnRows = lines.length;
      stderr.write(`${lines.join('\n')}\n`);
    },
    note(text: string): void {
      clear();
      stderr.write(`${text}\n`);
    },
  };
}
