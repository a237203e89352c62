import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { TunedKernel } from '../../src/core/caps.ts';
import { DeviceError } from '../../src/core/errors.ts';
import { parseTuning, readTuning, tuningFile, writeTuning } from '../../src/device/tuning-cache.ts';

const KEY = { adapterName: 'an adapter', driver: 'driver 1.0' };
const kernel = (label: string): TunedKernel => ({ label, ms: 1.5, digest: '0123456789abcdef' });

let cache: string;

beforeEach(async () => {
  cache = await mkdtemp(join(tmpdir(), 'tessera-tuning-'));
  vi.stubEnv('TESSERA_CACHE', cache);
});

afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(cache, { recursive: true, force: true });
});

test('what is written is read, and a second writing adds to it', async () => {
  expect(await readTuning(KEY)).toBeUndefined();
  const path = await writeTuning(
    KEY,
    new Map([
      ['one', kernel('a')],
      ['__proto__', kernel('b')],
    ]),
  );
  expect(path).toBe(tuningFile(KEY));
  expect(await readTuning(KEY)).toEqual(
    new Map([
      ['one', kernel('a')],
      ['__proto__', kernel('b')],
    ]),
  );
  await writeTuning(
    KEY,
    new Map([
      ['one', kernel('c')],
      ['two', kernel('d')],
    ]),
  );
  expect(await readTuning(KEY)).toEqual(
    new Map([
      ['one', kernel('c')],
      ['__proto__', kernel('b')],
      ['two', kernel('d')],
    ]),
  );
  expect(await readdir(dirname(path))).toHaveLength(1);
});

test('another adapter or driver has a file of its own', async () => {
  await writeTuning(KEY, new Map([['one', kernel('a')]]));
  expect(await readTuning({ ...KEY, driver: 'driver 1.1' })).toBeUndefined();
  expect(await readTuning({ ...KEY, adapterName: 'another' })).toBeUndefined();
});

test('a file that is not one of ours counts as none', async () => {
  const path = await writeTuning(KEY, new Map([['one', kernel('a')]]));
  const text = await readFile(path, 'utf8');
  expect(parseTuning(text, KEY)?.size).toBe(1);
  expect(parseTuning(text, { ...KEY, driver: 'driver 2.0' })).toBeUndefined();
  const faulty = ['[]', 'null', '{}', text.replace('1.5', '"1.5"'), text.replace('"label"', '"name"')];
  for (const one of faulty) expect(parseTuning(one, KEY), one).toBeUndefined();
  await writeFile(path, text.slice(0, -20));
  expect(await readTuning(KEY)).toBeUndefined();
});

test('a place that cannot be written to is an error that says so', async () => {
  const file = join(cache, 'file');
  await writeFile(file, '');
  vi.stubEnv('TESSERA_CACHE', file);
  await expect(writeTuning(KEY, new Map())).rejects.toThrow(DeviceError);
  await expect(writeTuning(KEY, new Map())).rejects.toThrow(/cannot be written .* Set TESSERA_CACHE/);
});
