import type { TunedKernels } from '../core/caps.ts';
import { DeviceError } from '../core/errors.ts';
import type { AdapterSource } from './adapter-source.ts';
import {
  adapterLimits,
  capsOf,
  isSoftwareName,
  type LimitOverrides,
  nameOf,
  type UsableFeature,
  usableFeatures,
} from './caps.ts';
import { createDevice, type Device } from './gpu-device.ts';
import type { TuningKey } from './tuning-cache.ts';

/** Which adapter, and how much of it is used. */
export interface RequestDeviceOptions {
  /** `gpu`, `lavapipe`, `swiftshader`, or part of an adapter's name; in Node default `TESSERA_ADAPTER`. */
  readonly adapter?: string | undefined;
  /** A WebGPU implementation to use instead of the browser's or Dawn. */
  readonly gpu?: GPU | undefined;
  /** Lowered limits, to see how the engine copes with a smaller adapter. */
  readonly limits?: LimitOverrides | undefined;
  /** The features to use where present; default all that the engine knows. */
  readonly features?: readonly UsableFeature[] | undefined;
  /**
   * Which kernels were measured to be the fastest; default in Node what `tessera tune` has kept for this adapter.
   * `null`: the cost model decides alone.
   */
  readonly tuned?: TunedKernels | null | undefined;
}

/**
 * A device on the best adapter, or on the one asked for, with the adapter's own limits.
 * Throws DeviceError when there is none, or not the one asked for: never another one in its place.
 */
export async function requestDevice(options: RequestDeviceOptions = {}): Promise<Device> {
  const { adapter, adapterName, notice, createPause } = await findAdapter(options);
  const wanted = options.features ?? usableFeatures;
  const gpu = await adapter.requestDevice({
    label: 'tessera',
    requiredFeatures: wanted.filter((feature) => adapter.features.has(feature)),
    requiredLimits: adapterLimits(adapter),
  });
  try {
    const caps = capsOf(gpu, adapter.info, adapterName, options.limits ?? {});
    const driver = adapter.info.description || adapterName;
    const tuned = options.tuned === undefined ? await keptTuning({ adapterName, driver }) : options.tuned;
    return createDevice({ gpu, caps: { ...caps, tuned: tuned ?? undefined }, driver, notice, createPause });
  } catch (error) {
    gpu.destroy();
    throw error;
  }
}

/** What Node has on disk; a page keeps nothing. */
async function keptTuning(key: TuningKey): Promise<TunedKernels | undefined> {
  if (!isNode()) return undefined;
  const { readTuning } = await import('./tuning-cache.ts');
  return readTuning(key);
}

const isNode = (): boolean => typeof process !== 'undefined' && process.versions?.node !== undefined;

/**
 * Deno gets Dawn as Node and Bun do: its own `navigator.gpu` is wgpu, another compiler of shaders, which lets nobody choose
 * the adapter. Who wants it hands it over as `gpu`.
 */
async function findAdapter(options: RequestDeviceOptions): Promise<AdapterSource> {
  const pageGpu = (globalThis as { navigator?: { gpu?: GPU } }).navigator?.gpu;
  const gpu = options.gpu ?? ('Deno' in globalThis ? undefined : pageGpu);
  if (gpu) return findPageAdapter(gpu, options.adapter);
  if (!isNode()) {
    throw new DeviceError(
      'requestDevice: navigator.gpu is missing; expected a browser with WebGPU and a secure context ' +
        '(https or localhost).',
    );
  }
  const { findNodeAdapter } = await import('./node-gpu.ts');
  return findNodeAdapter(options.adapter);
}

async function findPageAdapter(gpu: GPU, wanted: string | undefined): Promise<AdapterSource> {
  const adapter = await gpu.requestAdapter({ powerPreference: 'high-performance' });
  if (!adapter) {
    throw new DeviceError(
      'requestDevice: this browser offers no WebGPU adapter. See https://webgpureport.org, or update it.',
    );
  }
  const adapterName = nameOf(adapter.info);
  requireMatch(wanted, adapterName);
  return { adapter, adapterName };
}

/** A page gets the one adapter its browser picks, so a wish can only be checked. */
function requireMatch(wanted: string | undefined, adapterName: string): void {
  if (wanted === undefined) return;
  const matches =
    wanted === 'gpu'
      ? !isSoftwareName(adapterName)
      : adapterName.toLowerCase().includes(wanted === 'lavapipe' ? 'llvmpipe' : wanted.toLowerCase());
  if (matches) return;
  throw new DeviceError(
    `requestDevice: adapter "${wanted}" is not there; this browser offers "${adapterName}".`,
  );
}
