/** What Linux has of Vulkan: the loader library, and the drivers (ICDs) its manifests name. */
import { readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { constants, homedir } from 'node:os';
import { join } from 'node:path';

const RTLD_NODELETE = 0x1000;

/** Either variable makes the loader read these manifests and no others. */
const driverVariables = ['VK_DRIVER_FILES', 'VK_ICD_FILENAMES'] as const;

/** What Deno and Bun have to load a library with, which then stays loaded; Node has nothing but `process.dlopen`. */
type ForeignLibraries = (nameOrPath: string, symbols: object) => unknown;

/** Bun refuses a library of which no function is wanted. */
const anyFunction = { vkGetInstanceProcAddr: { args: ['ptr', 'cstring'], returns: 'ptr' } };

/**
 * Loads a Vulkan loader for the rest of the process and says whether that worked. A library that is already loaded
 * is found by its soname from then on, which is how Dawn comes to the loader that SwiftShader carries.
 */
export function loadLibrary(nameOrPath: string): boolean {
  const deno = (globalThis as { Deno?: { dlopen: ForeignLibraries } }).Deno;
  if (deno) return succeeds(() => deno.dlopen(nameOrPath, {}));
  if (process.versions.bun !== undefined) {
    const { dlopen } = createRequire(import.meta.url)('bun:ffi') as { dlopen: ForeignLibraries };
    return succeeds(() => dlopen(nameOrPath, anyFunction));
  }
  const flags = constants.dlopen.RTLD_NOW | constants.dlopen.RTLD_GLOBAL | RTLD_NODELETE;
  try {
    process.dlopen({ exports: {} }, nameOrPath, flags);
    return true;
  } catch (error) {
    // No Node addon, so Node complains, but NODELETE keeps the library it loaded.
    return error instanceof Error && error.message.includes('did not self-register');
  }
}

function succeeds(load: () => unknown): boolean {
  try {
    load();
    return true;
  } catch {
    return false; // whatever the reason, Dawn could not load it either
  }
}

/** True if the system's own loader could be loaded. */
export function hasSystemLoader(): boolean {
  return loadLibrary('libvulkan.so.1');
}

/**
 * The manifests the loader will read: those the environment names, or those in the standard folders.
 * Vulkan-Loader, docs/LoaderDriverInterface.md, "Driver Discovery on Linux".
 */
export function driverManifests(env: NodeJS.ProcessEnv = process.env): readonly string[] {
  const named = driverVariables.map((name) => env[name]).find(Boolean);
  if (named) return named.split(':').filter(Boolean);
  const added = env.VK_ADD_DRIVER_FILES?.split(':').filter(Boolean) ?? [];
  const configHome = env.XDG_CONFIG_HOME || join(homedir(), '.config');
  const dataHome = env.XDG_DATA_HOME || join(homedir(), '.local', 'share');
  const roots = [
    configHome,
    ...(env.XDG_CONFIG_DIRS || '/etc/xdg').split(':'),
    '/etc',
    dataHome,
    ...(env.XDG_DATA_DIRS || '/usr/local/share:/usr/share').split(':'),
  ];
  const folders = new Set(roots.map((root) => join(root, 'vulkan', 'icd.d')));
  return [...added, ...[...folders].flatMap(jsonFilesIn)];
}

function jsonFilesIn(folder: string): readonly string[] {
  try {
    const names = readdirSync(folder).filter((name) => name.endsWith('.json'));
    return names.sort().map((name) => join(folder, name));
  } catch {
    return []; // a folder that is not there or can't be read is none to the loader either
  }
}

/** Runs `fn` with `manifest` as the only driver; the loader reads the variables as `fn` enumerates. */
export function withOnlyDriver<T>(manifest: string | undefined, fn: () => T): T {
  if (manifest === undefined) return fn();
  const before = driverVariables.map((name) => [name, process.env[name]] as const);
  for (const name of driverVariables) setVariable(name, manifest);
  try {
    return fn();
  } finally {
    for (const [name, value] of before) setVariable(name, value);
  }
}

/** Sets a variable for libraries of this process too: Bun's `process.env` is a copy that they never see. */
function setVariable(name: string, value: string | undefined): void {
  if (value === undefined) delete process.env[name];
  else process.env[name] = value;
  if (process.versions.bun === undefined || process.platform !== 'linux') return;
  const { dlopen } = createRequire(import.meta.url)('bun:ffi') as { dlopen: OpenLibc };
  const { symbols } = dlopen('libc.so.6', libcFunctions);
  if (value === undefined) symbols.unsetenv(cString(name));
  else symbols.setenv(cString(name), cString(value), 1);
}

const libcFunctions = {
  setenv: { args: ['ptr', 'ptr', 'i32'], returns: 'i32' },
  unsetenv: { args: ['ptr'], returns: 'i32' },
};

type OpenLibc = (
  name: string,
  symbols: typeof libcFunctions,
) => {
  readonly symbols: {
    setenv(name: Buffer, value: Buffer, overwrite: number): number;
    unsetenv(name: Buffer): number;
  };
};

const cString = (text: string): Buffer => Buffer.from(`${text}\0`);
