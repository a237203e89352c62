/** What a person can install to get a faster adapter, or any at all. */
import type { DoctorAdapter } from './doctor-report.ts';
import type { SystemReport } from './doctor-system.ts';

type SeenAdapter = Pick<DoctorAdapter, 'name' | 'kind'>;

/** glibc that Dawn's npm binary was linked against. */
const DAWN_GLIBC = [2, 34] as const;

const gpuRemedies: Readonly<Record<string, string>> = {
  NVIDIA:
    "install NVIDIA's driver (Debian: nvidia-driver, Ubuntu: ubuntu-drivers install); in a container run with " +
    'NVIDIA_DRIVER_CAPABILITIES=all',
  AMD: 'install mesa-vulkan-drivers, and let your user open /dev/dri (groups video and render)',
  Intel: 'install mesa-vulkan-drivers, and let your user open /dev/dri (groups video and render)',
};

/** One sentence per thing to do, most important first; empty when nothing would help. */
export function adviceFor(system: SystemReport, adapters: readonly SeenAdapter[]): readonly string[] {
  const isLinux = system.platform.startsWith('linux');
  const hasGpu = adapters.some((adapter) => adapter.kind !== 'software');
  const hasLavapipe = adapters.some((adapter) => /llvmpipe/.test(adapter.name));
  const advice: string[] = [];
  if (!system.webgpu) advice.push('WebGPU for Node is missing. Run: npm install webgpu');
  if (isLinux && !isGlibcNewEnough(system.glibc)) {
    advice.push(
      `Dawn needs glibc ${DAWN_GLIBC.join('.')} and this system has ${system.glibc ?? 'none'}. Use Debian 12, ` +
        'Ubuntu 22.04 or newer.',
    );
  }
  if (isLinux && !hasGpu) {
    for (const vendor of system.gpuVendors) {
      advice.push(`There is a GPU by ${vendor}, but no Vulkan driver for it: ${gpuRemedies[vendor]}.`);
    }
  }
  if (isLinux && !system.hasVulkanLoader) {
    advice.push('There is no Vulkan loader, so no GPU can be found. Run: apt install libvulkan1');
  }
  if (isLinux && !hasGpu && !hasLavapipe) {
    const isRefused = system.icds.some((path) => /lvp_icd/.test(path));
    advice.push(
      isRefused
        ? 'lavapipe is installed, but too old for Dawn (Mesa 22.3 is, 25.0 works): take a newer ' +
            'mesa-vulkan-drivers, on Debian 12 from bookworm-backports.'
        : 'lavapipe runs 3 to 5 times faster than SwiftShader. Run: apt install mesa-vulkan-drivers libvulkan1 ' +
            '(on Debian 12 with -t bookworm-backports)',
    );
  }
  if (system.platform === 'linux-x64' && adapters.length === 0) {
    advice.push('For a CPU driver without root, run: tessera doctor --install-driver');
  }
  return advice;
}

function isGlibcNewEnough(version: string | undefined): boolean {
  const [major = 0, minor = 0] = (version ?? '').split('.').map(Number);
  return major > DAWN_GLIBC[0] || (major === DAWN_GLIBC[0] && minor >= DAWN_GLIBC[1]);
}
