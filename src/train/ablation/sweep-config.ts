import { createHash } from 'node:crypto';
import { ConfigError } from '../../core/errors.ts';
import {
  type Architecture,
  type DecoderChoice,
  type EncoderChoice,
  type LossName,
  labelsOf,
  type PoolingChoice,
  type ProjectorSpec,
} from './architecture.ts';
import type { TaskChoice } from './task.ts';
import type { TrainingSettings } from './train-point.ts';

/** A grid of architectures, all trained alike: one point for each choice of encoder, projector, pooling, decoder and loss. */
export interface SweepConfig extends TrainingSettings {
  readonly title: string;
  readonly task: TaskChoice;
  readonly encoders: readonly EncoderChoice[];
  readonly projectors: readonly ProjectorSpec[];
  /** Default none. */
  readonly poolings?: readonly PoolingChoice[] | undefined;
  readonly decoders: readonly DecoderChoice[];
  /** Default the next token. */
  readonly losses?: readonly LossName[] | undefined;
}

export interface SweepPoint {
  readonly architecture: Architecture;
  readonly settings: TrainingSettings;
  /** Depends on everything that the result does. */
  readonly key: string;
}

/** The points of a grid in order, the loss changing fastest. Throws ConfigError for an empty one and for choices that appear twice. */
export function pointsOf(config: SweepConfig): readonly SweepPoint[] {
  const { encoders, projectors, poolings = ['none'], decoders, losses = ['next-token'] } = config;
  const { seed, steps, batchSize, learningRate, task } = config;
  const settings = { seed, steps, batchSize, learningRate };
  const points = encoders.flatMap((encoder) =>
    projectors.flatMap((projector) =>
      poolings.flatMap((pooling) =>
        decoders.flatMap((decoder) =>
          losses.map((loss): SweepPoint => {
            const architecture = { encoder, projector, pooling, decoder, loss };
            return { architecture, settings, key: keyOf({ task, settings, architecture }) };
          }),
        ),
      ),
    ),
  );
  if (points.length === 0)
    throw new ConfigError(
      `sweep "${config.title}": has no points; expected one choice of each part at least.`,
    );
  if (new Set(points.map(({ key }) => key)).size < points.length)
    throw new ConfigError(`sweep "${config.title}": has a choice twice; expected each once.`);
  return points;
}

const keyOf = (value: unknown): string =>
  createHash('sha256').update(JSON.stringify(value)).digest('hex').slice(0, 16);

/** What tells the points of a sweep apart: the labels of the parts that are not the same in all. */
export function differingLabels(points: readonly SweepPoint[]): readonly string[] {
  const all = points.map(({ architecture }) => labelsOf(architecture));
  const parts = Object.keys(all[0] ?? {}) as (keyof (typeof all)[number])[];
  const differing = parts.filter((part) => new Set(all.map((labels) => labels[part])).size > 1);
  return all.map((labels) =>
    (differing.length > 0 ? differing : (['projector'] as const)).map((part) => labels[part]).join(', '),
  );
}

/** Checks what a file of settings exports. Throws ConfigError naming the field. */
export function checkSweepConfig(value: unknown, where: string): SweepConfig {
  const fail = (what: string): never => {
    throw new ConfigError(`${where}: ${what}. See docs/sweeps.md.`);
  };
  if (typeof value !== 'object' || value === null)
    return fail('exports no object `sweep`; expected a SweepConfig');
  const config = value as Partial<Record<keyof SweepConfig, unknown>>;
  if (typeof config.title !== 'string') fail('has no title; expected a text');
  for (const field of ['seed', 'steps', 'batchSize'] as const) {
    if (!Number.isSafeInteger(config[field]) || (config[field] as number) < (field === 'seed' ? 0 : 1))
      fail(`${field} is ${String(config[field])}; expected a count`);
  }
  if (typeof config.learningRate !== 'number' || !(config.learningRate > 0))
    fail(`learningRate is ${String(config.learningRate)}; expected a number over 0`);
  for (const field of ['encoders', 'projectors', 'decoders'] as const)
    if (!Array.isArray(config[field])) fail(`${field} is no list; expected a list of choices`);
  for (const field of ['poolings', 'losses'] as const)
    if (config[field] !== undefined && !Array.isArray(config[field]))
      fail(`${field} is no list; expected one`);
  const { kind } = (config.task ?? {}) as { readonly kind?: unknown };
  if (kind !== 'scenes' && kind !== 'motion') fail(`task is ${String(kind)}; expected scenes or motion`);
  return value as SweepConfig;
}
