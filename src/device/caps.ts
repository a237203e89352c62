import type { Caps } from '../core/caps.ts';
import { DeviceError } from '../core/errors.ts';

/** Limits a caller may lower, to test what a smaller adapter would do. */
export type LimitOverrides = { readonly [name in keyof Caps['limits']]?: number };

/** Features the engine can use; each is asked for only where the adapter has it. */
export const usableFeatures = ['shader-f16', 'subgroups', 'timestamp-query'] as const;
export type UsableFeature = (typeof usableFeatures)[number];

const limitNames = [
  'maxBufferSize',
  'maxStorageBufferBindingSize',
  'maxStorageBuffersPerShaderStage',
  'maxComputeWorkgroupStorageSize',
  'maxComputeInvocationsPerWorkgroup',
  'maxComputeWorkgroupSizeX',
  'maxComputeWorkgroupSizeY',
  'maxComputeWorkgroupsPerDimension',
  'minStorageBufferOffsetAlignment',
  'minUniformBufferOffsetAlignment',
] as const satisfies readonly (keyof Caps['limits'])[];

/** The adapter's own limits, every one the engine reads: what to ask a device for. */
export function adapterLimits(adapter: GPUAdapter): Record<keyof Caps['limits'], number> {
  const entries = limitNames.map((name) => [name, adapter.limits[name]] as const);
  return Object.fromEntries(entries) as Record<keyof Caps['limits'], number>;
}

/**
 * What `gpu` can do, as plain data. WebGPU raises a limit asked for below its default back to the default, so
 * overrides are applied here, where every reader looks.
 * Throws DeviceError for an override the device can't keep.
 */
export function capsOf(
  gpu: GPUDevice,
  info: GPUAdapterInfo,
  adapterName: string,
  overrides: LimitOverrides,
): Caps {
  const subgroups = gpu.features.has('subgroups');
  return {
    adapterName,
    kind: adapterKind(info, adapterName),
    features: {
      shaderF16: gpu.features.has('shader-f16'),
      subgroups,
      timestampQuery: gpu.features.has('timestamp-query'),
    },
    subgroupMinSize: subgroups ? info.subgroupMinSize : 0,
    subgroupMaxSize: subgroups ? info.subgroupMaxSize : 0,
    limits: Object.fromEntries(
      limitNames.map((name) => [name, overridden(name, gpu.limits[name], overrides[name])]),
    ) as Record<keyof Caps['limits'], number>,
  };
}

function overridden(name: keyof Caps['limits'], own: number, override: number | undefined): number {
  if (override === undefined) return own;
  const isStricter = name.startsWith('min') ? override >= own : override <= own;
  if (!Number.isSafeInteger(override) || override <= 0 || !isStricter) {
    throw new DeviceError(
      `requestDevice: limit ${name} set to ${override}, but the adapter has ${own}; expected a positive ` +
        'integer no better than that.',
    );
  }
  return override;
}

/** True for adapters that run shaders on the CPU, by the names their drivers give them. */
export function isSoftwareName(name: string): boolean {
  return /llvmpipe|lavapipe|swiftshader|microsoft basic render|software/i.test(name);
}

/** WebGPU doesn't say whether a GPU is integrated: the vendors that make only one kind do. */
export function adapterKind(info: GPUAdapterInfo, adapterName: string): Caps['kind'] {
  const names = [adapterName, info.vendor, info.architecture, info.device, info.description].join(' ');
  if (info.isFallbackAdapter || isSoftwareName(names)) return 'software';
  if (/nvidia/i.test(info.vendor)) return 'discrete';
  if (/apple|intel|arm|qualcomm|imagination|img-tec|broadcom/i.test(info.vendor)) {
    return /hpg|arc/i.test(names) ? 'discrete' : 'integrated';
  }
  return 'unknown';
}

/** The adapter's name for people, from what a browser is willing to tell. */
export function nameOf(info: GPUAdapterInfo): string {
  const named = info.description || info.device || [info.vendor, info.architecture].filter(Boolean).join(' ');
  return named || 'unnamed adapter';
}
