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
import type { ReadableStream as WebReadableStream } from 'node:stream/web';
import { brotliDecompressSync, createGunzip } from 'node:zlib';
import { type ParsedTarEntryWithData, unpackTar } from 'modern-tar';
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
  return unpackDriver(await downloadArchive(registryUrl(), options), driverFolder());
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
  const files = await readDriverFiles(archive);
  const staging = `${folder}.${randomUUID()}`;
  try {
    await mkdir(staging, { recursive: true });
    try {
      for (const [name, data] of files) await writeFile(join(staging, name), data, { mode: 0o755 });
      await moveIntoPlace(staging, folder);
    } finally {
      await rm(staging, { recursive: true, force: true });
    }
  } catch (cause) {
    throw new DeviceError(
      `driver: could not unpack SwiftShader into ${folder}: ${(cause as Error).message}. ` +
        'Set TESSERA_CACHE to a folder that can be written.',
      { cause },
    );
  }
  return driverIn(folder);
}

/** The pinned files out of the archive, each checked. */
async function readDriverFiles(archive: Uint8Array): Promise<ReadonlyMap<string, Uint8Array>> {
  const refuse = (what: string, cause?: unknown) =>
    new DeviceError(
      `driver: ${carrier.archive} of ${carrier.name} ${what}; expected version ${carrier.version}. ` +
        'Install that version again.',
      { cause },
    );
  const entries = await readTar(archive).catch((cause: unknown) => {
    throw refuse(`can't be unpacked (${(cause as Error).message})`, cause);
  });
  const files = new Map<string, Uint8Array>();
  for (const [name, hash] of Object.entries(driverFiles)) {
    const data = entries.find((entry) => entry.header.name === name)?.data;
    if (!data) throw refuse(`holds no ${name}`);
    if (sha256(data) !== hash) throw refuse(`holds another ${name} than was pinned`);
    files.set(name, data);
  }
  return files;
}

async function readTar(archive: Uint8Array): Promise<readonly ParsedTarEntryWithData[]> {
  const tar = new Uint8Array(brotliDecompressSync(archive));
  return unpackTar(tar, { filter: (header) => Object.hasOwn(driverFiles, header.name) });
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

/** The npm registry to use, as npm itself was told. */
function registryUrl(): string {
  return process.env.npm_config_registry || 'https://registry.npmjs.org/';
}

/** The driver's archive out of the carrier's tarball, which must be the pinned one to the byte. */
export async function downloadArchive(registry: string, options: InstallOptions): Promise<Uint8Array> {
  const url = `${registry.replace(/\/*$/, '/')}${carrier.name}/-/chromium-${carrier.version}.tgz`;
  const response = await fetch(url, { signal: options.signal ?? null }).catch((cause: unknown) => {
    throw new DeviceError(`driver: could not download ${url}: ${(cause as Error).message}.`, { cause });
  });
  if (!response.ok || !response.body) {
    throw new DeviceError(`driver: ${url} answered ${response.status}; expected 200.`);
  }
  const totalBytes = Number(response.headers.get('content-length') ?? 0);
  const hash = createHash('sha512');
  let loadedBytes = 0;
  const watch = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      hash.update(chunk);
      loadedBytes += chunk.byteLength;
      options.onProgress?.({ loadedBytes, totalBytes });
      done(null, chunk);
    },
  });
  const archive = await extractArchive(Readable.fromWeb(response.body as WebReadableStream), watch).catch(
    (cause: unknown) => {
      throw new DeviceError(`driver: ${url} can't be unpacked: ${(cause as Error).message}.`, { cause });
    },
  );
  const integrity = `sha512-${hash.digest('base64')}`;
  if (integrity !== carrier.integrity) {
    throw new DeviceError(`driver: ${url} has integrity ${integrity}; expected ${carrier.integrity}.`);
  }
  if (!archive) throw new DeviceError(`driver: ${url} holds no ${carrier.archive}; expected it to.`);
  return archive;
}

/** Reads the tarball to its end, so that all of it is hashed, and keeps the one file. */
async function extractArchive(tarball: Readable, watch: Transform): Promise<Uint8Array | undefined> {
  const gunzip = createGunzip();
  const name = `package/${carrier.archive}`;
  const [, entries] = await Promise.all([
    pipeline(tarball, watch, gunzip),
    unpackTar(Readable.toWeb(gunzip) as ReadableStream<Uint8Array>, {
      filter: (header) => header.name === name,
    }),
  ]);
  return entries[0]?.data;
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
