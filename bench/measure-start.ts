import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { WeightDType } from '../src/core/dtype.ts';
import { cacheFolder } from '../src/device/cache-folder.ts';
import { modelName } from './model-name.ts';
import { type StartRow, type StartTimes, startRow } from './start-report.ts';
import { spreadOf } from './statistics.ts';

const run = promisify(execFile);

/**
 * Starts pairs of processes that load `folder` (the built-in model unless told) and answer once: the first of each pair with
 * an empty folder for what the driver caches, the second with what the first left there. Tessera's own cache, which holds
 * the carried driver, is the usual one for both.
 */
export async function measureStart(
  adapter: string,
  dtype: WeightDType,
  rounds: number,
  folder?: string,
): Promise<StartRow> {
  const firsts: StartTimes[] = [];
  const seconds: StartTimes[] = [];
  for (let round = 0; round < rounds; round++) {
    const cache = await mkdtemp(join(tmpdir(), 'bench-'));
    try {
      firsts.push(await start([adapter, dtype, ...(folder === undefined ? [] : [folder])], cache));
      seconds.push(await start([adapter, dtype, ...(folder === undefined ? [] : [folder])], cache));
    } finally {
      await rm(cache, { recursive: true });
    }
  }
  const model = modelName(folder);
  return startRow({ model, dtype, rounds, first: medianOf(firsts), second: medianOf(seconds) });
}

async function start(args: readonly string[], cache: string): Promise<StartTimes> {
  const { stdout } = await run(
    process.execPath,
    ['--import', import.meta.resolve('tsx'), join(import.meta.dirname, 'start-child.ts'), ...args],
    { env: { ...process.env, ...driverCaches(cache), TESSERA_CACHE: cacheFolder() } },
  );
  return JSON.parse(stdout) as StartTimes;
}

/** Where drivers keep what they compiled: Mesa's, NVIDIA's, and those that follow the XDG folders. */
const driverCaches = (folder: string): NodeJS.ProcessEnv => ({
  MESA_SHADER_CACHE_DIR: folder,
  __GL_SHADER_DISK_CACHE_PATH: folder,
  XDG_CACHE_HOME: folder,
});

const medianOf = (starts: readonly StartTimes[]): StartTimes => {
  const median = (time: keyof StartTimes): number => spreadOf(starts.map((one) => one[time])).median;
  return {
    loadMs: median('loadMs'),
    firstTokenMs: median('firstTokenMs'),
    processMs: median('processMs'),
    cpuMs: median('cpuMs'),
  };
};
