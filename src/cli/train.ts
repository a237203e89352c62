import { MOTION_SETTINGS } from '../train/ablation/motion-example.ts';
import { PROJECTOR_SETTINGS } from '../train/ablation/projector-example.ts';
import { SCENE_SETTINGS } from '../train/scenes/settings.ts';
import { defineCommand, type OptionValues } from './command.ts';
import { modelOptions } from './model-options.ts';
import { trainClip } from './train-clip.ts';
import { trainMotion, trainProjector } from './train-sweep.ts';
import { UsageError } from './usage-error.ts';

const options = {
  out: {
    kind: 'text',
    value: 'DIR',
    help: 'folder for checkpoints, metrics.jsonl and report.html; default clip-scenes, projector-sweep or motion-sweep',
  },
  resume: {
    kind: 'text',
    value: 'DIR',
    help: 'clip: go on from the newest checkpoint in DIR, with the settings it was begun with',
  },
  steps: {
    kind: 'integer',
    value: 'N',
    min: 1,
    help: `default ${SCENE_SETTINGS.steps}; of each point of projector ${PROJECTOR_SETTINGS.steps}, of motion ${MOTION_SETTINGS.steps}`,
  },
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
    help: `pairs or clips of a step; default ${SCENE_SETTINGS.batchSize}, of the others ${MOTION_SETTINGS.batchSize}`,
  },
  'learning-rate': {
    kind: 'number',
    value: 'X',
    min: 0,
    help: `the largest, after a warm-up; default ${SCENE_SETTINGS.learningRate}, of projector ${PROJECTOR_SETTINGS.learningRate}, of motion ${MOTION_SETTINGS.learningRate}`,
  },
  'checkpoint-every': {
    kind: 'integer',
    value: 'N',
    min: 1,
    help: `clip: steps between checkpoints; default ${SCENE_SETTINGS.checkpointEvery}`,
  },
  recompute: {
    kind: 'flag',
    help: 'clip: compute layers again in the backward pass instead of keeping what is in them: less memory, more time',
  },
  keep: { kind: 'integer', value: 'N', min: 1, help: 'clip: checkpoints that stay; default 3' },
  encoder: {
    kind: 'text',
    value: 'DIR',
    help: 'projector: a checkpoint of train clip, whose tower is taken',
  },
  json: { kind: 'flag', help: 'results as JSON, one object a line' },
  adapter: modelOptions.adapter,
} as const;

export type TrainValues = OptionValues<typeof options>;

const EXAMPLES = { clip: trainClip, projector: trainProjector, motion: trainMotion } as const;
const isExample = (name: string): name is keyof typeof EXAMPLES => Object.hasOwn(EXAMPLES, name);

export const trainCommand = defineCommand({
  name: 'train',
  details: [
    'Three complete examples on pictures that are drawn, not loaded.',
    'clip: a small CLIP from nothing, on one coloured shape a picture and captions such as "a small striped red circle"; it says how many pictures of compositions it never saw it classifies by text prompts alone. Each checkpoint is an ordinary CLIPModel folder, for classify, embed and search. A run that is killed goes on from the last one with --resume; its losses are then those of a run that was not.',
    'projector: linear, MLP and C-Abstractor at equal counts of image tokens, between a frozen encoder (--encoder, or one trained first) and a frozen decoder, as LLaVA begins. motion: ways to pool the frames of a clip, asked which way something moved. Both end with a table; what is finished is not trained again in the same --out.',
    'report.html shows the curves while it trains.',
  ].join('\n\n'),
  operands: { usage: 'clip|projector|motion', min: 1, max: 1 },
  options,
  examples: [
    'tessera train clip --out ./scenes --seed 0',
    'tessera train clip --resume ./scenes',
    'tessera classify picture.png --labels "red circle,blue star" --model ./scenes/checkpoint-001200',
    'tessera train projector --encoder ./scenes/checkpoint-001200',
    'tessera train motion --json',
  ],
  async run(values, [example = ''], terminal) {
    if (!isExample(example)) {
      throw new UsageError(
        `train: there is no example "${example}"; expected ${Object.keys(EXAMPLES).join(', ')}.`,
      );
    }
    return EXAMPLES[example](values, terminal);
  },
});
