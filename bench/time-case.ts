import type { Plan, PlanDispatch } from '../src/compile/plan.ts';
import { DeviceError } from '../src/core/errors.ts';
import type { Device } from '../src/device/gpu-device.ts';
import { type BenchCase, caseName, type OpenCase } from './bench-case.ts';
import { type Spread, spreadOf } from './statistics.ts';

/** What was measured of a case, before the limits are known. */
export interface Measured {
  readonly benchCase: BenchCase;
  /** Wall time of one copy, submit included, in ms. */
  readonly wall: Spread;
  readonly samples: number;
  /** GPU time of one copy by timestamps, the median of a few runs; null without timestamp-query. */
  readonly kernelMs: number | null;
  /** The dispatches of one copy. */
  readonly dispatches: readonly PlanDispatch[];
}

/** Short runs are submitted together, so that waiting for them counts little. */
const LEAST_BATCH_MS = 10;
const MOST_RUNS = 64;
const PROFILES = 5;

/** Milliseconds that calls of `run` take, one value per sample. */
export type Sampler = (name: string, run: () => Promise<void>) => Promise<readonly number[]>;

/** A case that is open, right, and can be run for as long as a sample takes. */
export interface OpenTiming {
  readonly benchCase: BenchCase;
  /** Of one copy. */
  readonly dispatches: readonly PlanDispatch[];
  run(): Promise<void>;
  /** Of what calls of `run` took, in ms. */
  measured(sample: readonly number[]): Promise<Measured>;
  dispose(): void;
}

/** Throws DeviceError where the case gives values that are no numbers. */
export async function openTiming(device: Device, benchCase: BenchCase): Promise<OpenTiming> {
  const open = await benchCase.open(device);
  try {
    await checkFinite(open, caseName(benchCase));
    const runs = await runsPerBatch(device, open);
    const dispatches = firstCopy(open.session.plan, open.copies);
    return {
      benchCase,
      dispatches,
      async run() {
        for (let i = 0; i < runs; i++) open.session.run(open.inputs);
        await device.onSubmittedWorkDone();
      },
      async measured(sample) {
        const each = sample.map((ms) => ms / (runs * open.copies));
        const kernelMs = device.caps.features.timestampQuery ? await kernelTime(open) : null;
        return { benchCase, wall: spreadOf(each), samples: each.length, kernelMs, dispatches };
      },
      dispose: open.dispose,
    };
  } catch (error) {
    open.dispose();
    throw error;
  }
}

/** Opens, checks, times and closes one case. Throws DeviceError where it gives values that are no numbers. */
export async function timeCase(device: Device, benchCase: BenchCase, sampler: Sampler): Promise<Measured> {
  const timing = await openTiming(device, benchCase);
  try {
    return await timing.measured(await sampler(caseName(benchCase), timing.run));
  } finally {
    timing.dispose();
  }
}

/** A NaN among the results would make any time meaningless. Also warms up: some drivers compile at the first run. */
async function checkFinite({ session, inputs }: OpenCase, name: string): Promise<void> {
  const outputs = await session.runAndRead(inputs, [...session.plan.outputs.keys()]);
  for (const [output, values] of Object.entries(outputs)) {
    const at = values.findIndex((value) => !Number.isFinite(value));
    if (at < 0) continue;
    throw new DeviceError(`bench ${name}: ${output}[${at}] is ${values[at]}; expected finite numbers.`);
  }
}

async function runsPerBatch(device: Device, { session, inputs }: OpenCase): Promise<number> {
  const startedMs = performance.now();
  session.run(inputs);
  await device.onSubmittedWorkDone();
  const runMs = performance.now() - startedMs;
  return Math.min(MOST_RUNS, Math.max(1, Math.ceil(LEAST_BATCH_MS / runMs)));
}

async function kernelTime({ session, inputs, copies }: OpenCase): Promise<number> {
  const times: number[] = [];
  for (let i = 0; i < PROFILES; i++) {
    const dispatches = await session.profile(inputs);
    times.push(dispatches.reduce((sum, { timeMs }) => sum + timeMs, 0) / copies);
  }
  return spreadOf(times).median;
}

function firstCopy({ dispatches }: Plan, copies: number): readonly PlanDispatch[] {
  if (dispatches.length % copies === 0) return dispatches.slice(0, dispatches.length / copies);
  throw new DeviceError(
    `bench: ${dispatches.length} dispatches for ${copies} copies; expected as many for each. Do not fuse over copies.`,
  );
}
