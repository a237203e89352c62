import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { cacheFolder } from '../../src/device/cache-folder.ts';
import {
  downloadArchive,
  driverFolder,
  findCarriedDriver,
  isDriverCarried,
} from '../../src/device/driver-cache.ts';

let cache: string;
let cacheBefore: string | undefined;

beforeEach(async () => {
  cacheBefore = process.env.TESSERA_CACHE;
  cache = await mkdtemp(join(tmpdir(), 'tessera-driver-'));
  process.env.TESSERA_CACHE = cache;
});

afterEach(async () => {
  if (cacheBefore === undefined) delete process.env.TESSERA_CACHE;
  else process.env.TESSERA_CACHE = cacheBefore;
  await rm(cache, { recursive: true, force: true });
});

test('the cache folder follows TESSERA_CACHE, then the platform', () => {
  expect(cacheFolder()).toBe(cache);
  expect(cacheFolder({ TESSERA_CACHE: '/a' })).toBe('/a');
  if (process.platform === 'linux') {
    expect(cacheFolder({ XDG_CACHE_HOME: '/x' })).toBe('/x/tessera');
    expect(cacheFolder({})).toMatch(/\/\.cache\/tessera$/);
  }
});

describe.runIf(isDriverCarried())('carried driver', () => {
  const library = () => join(driverFolder(), 'libvk_swiftshader.so');

  test('unpacks whole, leaves nothing beside it, and is not unpacked twice', async () => {
    const driver = await findCarriedDriver();
    expect(driver?.folder).toBe(driverFolder());
    expect(existsSync(driver?.icdPath ?? '')).toBe(true);
    expect(existsSync(driver?.loaderPath ?? '')).toBe(true);
    expect((await readdir(cache)).length).toBe(1);
    expect((await stat(library())).size).toBe(6026040);
    const { mtimeMs } = await stat(library());
    expect(await findCarriedDriver()).toEqual(driver);
    expect((await stat(library())).mtimeMs).toBe(mtimeMs);
  });

  test.each([
    ['a truncated library', () => truncate(library(), 1000)],
    ['a library with other bytes', () => writeFile(library(), Buffer.alloc(6026040))],
    ['a missing manifest', () => rm(join(driverFolder(), 'vk_swiftshader_icd.json'))],
    [
      'a file where the folder should be',
      async () => {
        await rm(driverFolder(), { recursive: true });
        await writeFile(driverFolder(), 'x');
      },
    ],
  ])('%s is replaced', async (_name, damage) => {
    await findCarriedDriver();
    const sound = await readFile(library());
    await damage();
    await findCarriedDriver();
    expect((await readFile(library())).equals(sound)).toBe(true);
    expect((await readdir(driverFolder())).sort()).toEqual([
      'libvk_swiftshader.so',
      'libvulkan.so.1',
      'vk_swiftshader_icd.json',
    ]);
    expect((await readdir(cache)).length).toBe(1);
  });

  test('many at once end with one sound driver', async () => {
    const drivers = await Promise.all(Array.from({ length: 4 }, () => findCarriedDriver()));
    expect(new Set(drivers.map((driver) => driver?.folder)).size).toBe(1);
    expect(await readdir(cache)).toEqual([driverFolder().slice(cache.length + 1)]);
    expect((await stat(library())).size).toBe(6026040);
  });

  test('a cache that cannot be written is an error that says what to set', async () => {
    process.env.TESSERA_CACHE = join(cache, 'file', 'below');
    await writeFile(join(cache, 'file'), '');
    await expect(findCarriedDriver()).rejects.toThrow(/Set TESSERA_CACHE/);
  });
});

describe('download', () => {
  const answers: Record<string, { status: number; body: string }> = {
    '/broken/': { status: 200, body: 'not a gzip file' },
    '/gone/': { status: 404, body: '' },
  };

  test.each([
    ['/broken/', /can't be unpacked/],
    ['/gone/', /answered 404; expected 200/],
  ])('a registry that answers from %s is refused', async (path, message) => {
    const server = createServer((request, response) => {
      const found = Object.entries(answers).find(([prefix]) => request.url?.startsWith(prefix));
      response.writeHead(found?.[1].status ?? 500).end(found?.[1].body);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    try {
      const registry = `http://127.0.0.1:${(server.address() as AddressInfo).port}${path}`;
      await expect(downloadArchive(registry, {})).rejects.toThrow(message);
    } finally {
      server.close();
    }
  });
});
