import { invariant } from '../src/core/errors.ts';
import type { Device } from '../src/device/gpu-device.ts';
import { type BenchCase, caseName } from './bench-case.ts';
import { readEnvironment } from './environment.ts';
import type { CacheGrowth } from './growth.ts';
import type { TimelineDispatch } from './html/timeline.ts';
import { type ImageCase, imageName } from './image-cases.ts';
import type { ImageRow } from './image-report.ts';
import { bestLimits, measureLimits } from './limits.ts';
import { measureCase } from './measure-case.ts';
import { measureGrowth, splitSeries } from './measure-growth.ts';
import { measureImage } from './measure-image.ts';
import { measureModelGrowth } from './measure-model-growth.ts';
import { measureStart } from './measure-start.ts';
import { modelCases } from './model-cases.ts';
import type { ModelGrowthRow } from './model-growth.ts';
import { type BenchReport, rowOf } from './report.ts';
import type { StartRow } from './start-report.ts';
import type { Measured } from './time-case.ts';
import type { WallClockOptions } from './wall-clock.ts';
import { type ModelRow, measureModel, measureRandomModel, type RandomModelRow } from './whole-models.ts';

/** Whether `device` can run the case. */
export const isServed = ({ dtype }: BenchCase, { caps }: Device): boolean =>
  dtype !== 'f16' || caps.features.shaderF16;

/** What a run measures besides limits. */
export interface BenchWork {
  readonly cases: readonly BenchCase[];
  /** Checkpoint folders; undefined is the built-in model. */
  readonly models: readonly (string | undefined)[];
  /** Checkpoint folders whose growth with prompt, pictures and requests is measured; undefined is the built-in model. */
  readonly growing: readonly (string | undefined)[];
  /** Names in bench/full-size/configs. */
  readonly randomModels: readonly string[];
  readonly images: readonly ImageCase[];
  /** Checkpoint folders to start anew; undefined is the built-in model. */
  readonly starts: readonly (string | undefined)[];
  /** Pairs of starts of each, with an empty cache of the driver's and with one that is filled. */
  readonly startRounds: number;
  /** Answers of each model that are timed. */
  readonly answers: number;
  /** Whether to profile one token of the built-in model. */
  readonly timeline: boolean;
}

/**
 * Measures the limits, the cases one after another but series of caches in turn, whole models, and the limits again: a machine's speed drifts, and
 * the better of both is what a row is held to. A case that fails becomes an entry of `failures`, not an end.
 */
export async function runBench(
  device: Device,
  work: BenchWork,
  options: WallClockOptions,
  onProgress: (what: string) => void,
): Promise<BenchReport> {
  const environment = readEnvironment(device);
  const before = await measureLimits(device, onProgress);
  const measured: Measured[] = [];
  const failures: { name: string; reason: string }[] = [];
  const attempt = async (name: string, measure: () => Promise<void>): Promise<void> => {
    onProgress(name);
    device.check('bench');
    await measure().catch((error: Error) => failures.push({ name, reason: error.message }));
  };
  const { series, others } = splitSeries(work.cases);
  for (const [i, benchCase] of others.entries()) {
    const name = caseName(benchCase);
    await attempt(`${i + 1} of ${others.length}: ${name}`, async () => {
      measured.push(await measureCase(device, benchCase, options));
    });
  }
  const growth: CacheGrowth[] = [];
  for (const one of series) {
    const { op, dtype, cases } = one;
    await attempt(`${op} ${dtype} over ${cases.length} caches`, async () => {
      const grown = await measureGrowth(device, one, options);
      measured.push(...grown.measured);
      growth.push(grown.growth);
    });
  }
  const dtypes = device.caps.features.shaderF16
    ? (['f32', 'f16', 'q8', 'q4'] as const)
    : (['f32', 'q8', 'q4'] as const);
  const models: ModelRow[] = [];
  const randomModels: RandomModelRow[] = [];
  for (const folder of work.models) {
    for (const dtype of dtypes) {
      await attempt(`model ${folder ?? 'built-in'} ${dtype}`, async () => {
        models.push(await measureModel(environment.adapter, dtype, work.answers, folder));
      });
    }
  }
  const modelGrowth: ModelGrowthRow[] = [];
  for (const folder of work.growing) {
    await attempt(`growth of model ${folder ?? 'built-in'}`, async () => {
      modelGrowth.push(...(await measureModelGrowth(environment.adapter, 'f32', folder)));
    });
  }
  for (const name of work.randomModels) {
    await attempt(`random ${name}`, async () => {
      randomModels.push(await measureRandomModel(environment.adapter, name, 'f32'));
    });
  }
  const starts: StartRow[] = [];
  for (const folder of work.starts) {
    await attempt(`start ${folder ?? 'built-in'}`, async () => {
      starts.push(await measureStart(environment.adapter, 'f32', work.startRounds, folder));
    });
  }
  const images: ImageRow[] = [];
  for (const one of work.images) {
    await attempt(imageName(one), async () => {
      images.push(await measureImage(one, options.maxSeconds));
    });
  }
  let timeline: TimelineDispatch[] = [];
  if (work.timeline && device.caps.features.timestampQuery) {
    await attempt('timeline of one token', async () => {
      timeline = await oneToken(device);
    });
  }
  const limits = bestLimits(before, await measureLimits(device, onProgress));
  return {
    ...environment,
    measuredAt: new Date().toISOString(),
    limits,
    rows: measured.map((one) => rowOf(one, limits)),
    growth,
    models,
    modelGrowth,
    randomModels,
    images,
    starts,
    timeline,
    failures,
  };
}

/** The second profile of a decode step of the built-in model: the first compiles. */
async function oneToken(device: Device): Promise<TimelineDispatch[]> {
  const step = modelCases.find(({ op, dtype }) => op === 'decode step' && dtype === 'f32');
  invariant(step, 'the built-in model has no decode step');
  const { session, inputs, dispose } = await step.open(device);
  try {
    await session.profile(inputs);
    const dispatches = await session.profile(inputs);
    return dispatches.map(({ label, kernel, timeMs }) => ({ label, kernel, timeMs }));
  } finally {
    dispose();
  }
}
