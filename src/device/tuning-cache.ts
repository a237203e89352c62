/** What was measured on an adapter, kept between runs: one file each in the cache folder. Node only. */
import { createHash } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { TunedKernel, TunedKernels } from '../core/caps.ts';
import { DeviceError } from '../core/errors.ts';
import { replaceFile } from '../core/replace-file.ts';
import { cacheFolder } from './cache-folder.ts';

/** An adapter and its driver: another version of either is measured anew. */
export interface TuningKey {
  readonly adapterName: string;
  readonly driver: string;
}

/** The file for `key`; it need not exist. */
export function tuningFile({ adapterName, driver }: TuningKey): string {
  const hash = createHash('sha256').update(`${adapterName}\n${driver}`).digest('hex');
  return join(cacheFolder(), 'tuning', `${hash.slice(0, 16)}.json`);
}

/** Undefined where nothing was measured, or where the file is not one that `writeTuning` wrote: it can be made again. */
export async function readTuning(key: TuningKey): Promise<TunedKernels | undefined> {
  try {
    return parseTuning(await readFile(tuningFile(key), 'utf8'), key);
  } catch {
    return undefined;
  }
}

/** Adds `tuned` to what is kept. The file is written whole or not at all. Throws DeviceError. */
export async function writeTuning(key: TuningKey, tuned: TunedKernels): Promise<string> {
  const path = tuningFile(key);
  const kernels = Object.fromEntries([...((await readTuning(key)) ?? []), ...tuned]);
  try {
    await mkdir(dirname(path), { recursive: true });
    await replaceFile(path, (staging) =>
      writeFile(staging, `${JSON.stringify({ ...key, kernels }, null, 1)}\n`),
    );
    return path;
  } catch (cause) {
    throw new DeviceError(
      `tuning: "${path}" cannot be written (${(cause as Error).message}); expected a place to write to. Set TESSERA_CACHE.`,
      { cause },
    );
  }
}

/** Undefined for any text that is not a file of `key`. A Map, since signatures are keys from outside. */
export function parseTuning(text: string, key: TuningKey): TunedKernels | undefined {
  const file: unknown = JSON.parse(text);
  if (!isRecord(file) || file.adapterName !== key.adapterName || file.driver !== key.driver) return undefined;
  if (!isRecord(file.kernels)) return undefined;
  const entries = Object.entries(file.kernels);
  return entries.every(isEntry) ? new Map(entries) : undefined;
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const isEntry = (entry: [string, unknown]): entry is [string, TunedKernel] => {
  const [, kernel] = entry;
  return (
    isRecord(kernel) &&
    typeof kernel.label === 'string' &&
    typeof kernel.digest === 'string' &&
    typeof kernel.ms === 'number'
  );
};
