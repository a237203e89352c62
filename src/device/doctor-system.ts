/** What `tessera doctor` reads off the system before any adapter is asked. Node only. */
import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { cacheFolder } from './cache-folder.ts';
import { driverManifests, hasSystemLoader } from './vulkan-loader.ts';

export interface SystemReport {
  /** Such as `linux-x64`. */
  readonly platform: string;
  readonly node: string;
  /** Undefined off glibc: macOS, Windows, musl. */
  readonly glibc: string | undefined;
  /** Version of the npm package, undefined where it is not installed. */
  readonly webgpu: string | undefined;
  readonly hasVulkanLoader: boolean;
  /** Manifests the Vulkan loader reads. */
  readonly icds: readonly string[];
  /** Makers of the display controllers on the PCI bus, driver or not; Linux only. */
  readonly gpuVendors: readonly string[];
  readonly cacheFolder: string;
}

export function examineSystem(): SystemReport {
  const isLinux = process.platform === 'linux';
  return {
    platform: `${process.platform}-${process.arch}`,
    node: process.version,
    glibc: isLinux ? glibcVersion() : undefined,
    webgpu: webgpuVersion(),
    hasVulkanLoader: isLinux && hasSystemLoader(),
    icds: isLinux ? driverManifests() : [],
    gpuVendors: isLinux ? pciGpuVendors() : [],
    cacheFolder: cacheFolder(),
  };
}

function glibcVersion(): string | undefined {
  const { header } = process.report.getReport() as { header?: { glibcVersionRuntime?: string } };
  return header?.glibcVersionRuntime;
}

function webgpuVersion(): string | undefined {
  try {
    const entry = createRequire(import.meta.url).resolve('webgpu');
    const manifest: unknown = JSON.parse(readFileSync(join(dirname(entry), 'package.json'), 'utf8'));
    return String((manifest as { version?: unknown }).version);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'MODULE_NOT_FOUND') return undefined;
    throw error;
  }
}

const vendorNames: Readonly<Record<string, string>> = {
  '0x10de': 'NVIDIA',
  '0x1002': 'AMD',
  '0x8086': 'Intel',
};

/** PCI class 0x03 is a display controller; PCI Code and ID Assignment Specification. */
function pciGpuVendors(root = '/sys/bus/pci/devices'): readonly string[] {
  try {
    const found = readdirSync(root).flatMap((device) => {
      const read = (file: string) => readFileSync(join(root, device, file), 'utf8').trim();
      return read('class').startsWith('0x03') ? (vendorNames[read('vendor')] ?? []) : [];
    });
    return [...new Set(found)];
  } catch {
    return []; // no sysfs: a container that hides it, or another kernel
  }
}
