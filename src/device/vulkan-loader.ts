/** What Linux has of Vulkan: the loader library, and the drivers (ICDs) its manifests name. */
import { readdirSync } from 'node:fs';
import { constants, homedir } from 'node:os';
import { join } from 'node:path';

const RTLD_NODELETE = 0x1000;

/** Either variable makes the loader read these manifests and no others. */
const driverVariables = ['VK_DRIVER_FILES', 'VK_ICD_FILENAMES'] as const;

/**
 * Loads a library for the rest of the process and says whether that worked. A library that is already loaded
 * is found by its soname from then on, which is how Dawn comes to the loader that SwiftShader carries.
 */
export function loadLibrary(nameOrPath: string): boolean {
  const flags = constants.dlopen.RTLD_NOW | constants.dlopen.RTLD_GLOBAL | RTLD_NODELETE;
  try {
    process.dlopen({ exports: {} }, nameOrPath, flags);
    return true;
  } catch (error) {
    // No Node addon, so Node complains, but NODELETE keeps the library it loaded.
    return error instanceof Error && error.message.includes('did not self-register');
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
  for (const name of driverVariables) process.env[name] = manifest;
  try {
    return fn();
  } finally {
    for (const [name, value] of before) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  }
}
