import { InputError } from '../../core/errors.ts';
import { readConfig } from '../../models/config-reader.ts';

/** All that decides how a model of scenes is trained; kept in every checkpoint. */
export interface SceneSettings {
  readonly seed: number;
  readonly steps: number;
  readonly batchSize: number;
  readonly learningRate: number;
  readonly warmup: number;
  readonly checkpointEvery: number;
  /** Whether the layers of both towers are computed again in the backward pass; see `grad`. */
  readonly recompute: boolean;
}

export const SCENE_SETTINGS: SceneSettings = {
  seed: 0,
  steps: 1200,
  batchSize: 64,
  learningRate: 1e-3,
  warmup: 100,
  checkpointEvery: 200,
  recompute: false,
};

/** Settings as a checkpoint holds them. Throws ConfigError or InputError where they are no such settings. */
export function parseSceneSettings(json: unknown, where: string): SceneSettings {
  const read = readConfig(json, where);
  const example = read.string('example', '');
  if (example !== EXAMPLE) {
    throw new InputError(
      `${where}: example is "${example}"; expected "${EXAMPLE}". Resume a training with the command that began it.`,
    );
  }
  return {
    seed: read.integer('seed'),
    steps: read.count('steps'),
    batchSize: read.count('batchSize'),
    learningRate: read.number('learningRate'),
    warmup: read.integer('warmup'),
    checkpointEvery: read.count('checkpointEvery'),
    recompute: read.boolean('recompute', false),
  };
}

export const EXAMPLE = 'clip';
