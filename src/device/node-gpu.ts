/**
 * WebGPU in Node: Dawn, through the npm package `webgpu`. Adapters are looked for among the system's drivers
 * first, then in the SwiftShader that npm carries.
 */
import { DeviceError } from '../core/errors.ts';
import { chooseAdapter, type ListedAdapter, parseAdapterList, softwareNotice } from './adapter-choice.ts';
import type { AdapterSource } from './adapter-source.ts';
import { findCarriedDriver, isDriverCarried } from './driver-cache.ts';
import { createPause } from './pause.ts';
import { driverManifests, hasSystemLoader, loadLibrary, withOnlyDriver } from './vulkan-loader.ts';

/** The adapters of one set of drivers. */
export interface DriverSet {
  /** A manifest that must be the only one, or undefined for whatever the system has. */
  readonly manifest: string | undefined;
  readonly adapters: readonly ListedAdapter[];
}

export type CreateGpu = (options: string[]) => GPU;

/**
 * Every GPU object made, for good: Dawn's Node binding crashes when one is collected while an event of its
 * devices is still due. They hold no device, and do not keep the process from exiting.
 */
const gpus = new Map<string, GPU>();

/** Timestamps are rounded against fingerprinting in web pages; this is not one. */
const dawnOptions = ['disable-dawn-features=timestamp_quantization'];

/**
 * The adapter to use; each call gives a fresh one, good for one device.
 * Throws DeviceError when `webgpu` is not installed, or no adapter fits: the message lists what is there.
 */
export async function findNodeAdapter(
  wanted: string | undefined = process.env.TESSERA_ADAPTER || undefined,
): Promise<AdapterSource> {
  const create = await importDawn();
  const seen: ListedAdapter[] = [];
  for (const findDrivers of [systemDrivers, carriedDrivers]) {
    const drivers = await findDrivers(create);
    if (!drivers) continue;
    const chosen = chooseAdapter(drivers.adapters, wanted);
    if (chosen) {
      const notice = wanted === undefined ? softwareNotice(chosen) : undefined;
      return { ...(await openAdapter(create, drivers.manifest, chosen)), notice };
    }
    seen.push(...drivers.adapters);
  }
  throw noAdapter(wanted, seen);
}

/** The adapters of the drivers this system has; undefined where there can be none. */
export async function systemDrivers(create: CreateGpu): Promise<DriverSet | undefined> {
  // Dawn complains on stderr when it finds no loader or no driver, so it is not asked.
  const isHopeless = process.platform === 'linux' && (driverManifests().length === 0 || !hasSystemLoader());
  return isHopeless ? undefined : { manifest: undefined, adapters: await listAdapters(create, undefined) };
}

/** SwiftShader from npm, unpacked if need be; undefined where it isn't carried. */
export async function carriedDrivers(create: CreateGpu): Promise<DriverSet | undefined> {
  const driver = await findCarriedDriver();
  if (!driver) return undefined;
  if (!hasSystemLoader() && !loadLibrary(driver.loaderPath)) {
    throw new DeviceError(
      `driver: ${driver.loaderPath} can't be loaded; expected a Vulkan loader that fits this system. ` +
        'Install libvulkan1.',
    );
  }
  return { manifest: driver.icdPath, adapters: await listAdapters(create, driver.icdPath) };
}

/** Dawn's `create`. Throws DeviceError when the package is missing or its library can't be loaded. */
export async function importDawn(): Promise<CreateGpu> {
  try {
    return (await import('webgpu')).create;
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    if (code === 'ERR_MODULE_NOT_FOUND') {
      throw new DeviceError(
        'requestDevice: the package "webgpu" (Dawn) is not installed. Run: npm install webgpu',
        { cause },
      );
    }
    throw new DeviceError(
      `requestDevice: Dawn can't be loaded: ${message}; expected a system its binary fits (on Linux ` +
        'glibc 2.34 or newer). Run: tessera doctor',
      { cause },
    );
  }
}

/** Dawn lists its adapters only in the error for one that isn't there. */
async function listAdapters(
  create: CreateGpu,
  manifest: string | undefined,
): Promise<readonly ListedAdapter[]> {
  const gpu = gpuFor(create, manifest, ['adapter=(list)']);
  try {
    await withOnlyDriver(manifest, () => gpu.requestAdapter());
    return [];
  } catch (cause) {
    const { message } = cause as Error;
    if (!message.includes('Available adapters:')) {
      throw new DeviceError(`requestDevice: Dawn can't list its adapters: ${message}. Run: tessera doctor`, {
        cause,
      });
    }
    return parseAdapterList(message);
  }
}

/** Throws DeviceError when the adapter has gone since it was listed. */
export async function openAdapter(
  create: CreateGpu,
  manifest: string | undefined,
  { backend, name }: ListedAdapter,
): Promise<AdapterSource> {
  const gpu = gpuFor(create, manifest, [...dawnOptions, `backend=${backend}`, `adapter=${name}`]);
  const adapter = await withOnlyDriver(manifest, () => gpu.requestAdapter());
  if (!adapter) {
    throw new DeviceError(`requestDevice: adapter "${name}" (${backend}) was listed, but can't be opened.`);
  }
  return { adapter, adapterName: name, createPause };
}

function gpuFor(create: CreateGpu, manifest: string | undefined, options: string[]): GPU {
  const key = JSON.stringify([manifest, options]);
  const gpu = gpus.get(key) ?? create(options);
  gpus.set(key, gpu);
  return gpu;
}

/** The error for an adapter that is not there: it lists those that are. */
export function noAdapter(wanted: string | undefined, seen: readonly ListedAdapter[]): DeviceError {
  const listed = seen.map((adapter) => `"${adapter.name}"`).join(', ');
  const there = listed ? `there is ${listed}` : 'there is no adapter at all';
  const remedy = isDriverCarried() ? 'Run: tessera doctor --install-driver' : 'Run: tessera doctor';
  if (wanted === undefined) return new DeviceError(`requestDevice: ${there}. ${remedy}`);
  const known = wanted === 'swiftshader' ? ` ${remedy}` : ' Choose one of these, or leave the choice out.';
  return new DeviceError(`requestDevice: adapter "${wanted}" was asked for, but ${there}.${known}`);
}
