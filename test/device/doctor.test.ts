import { expect, test } from 'vitest';
import { examineAdapters, formatDoctorReport } from '../../src/device/doctor.ts';
import { adviceFor } from '../../src/device/doctor-advice.ts';
import type { SystemReport } from '../../src/device/doctor-system.ts';
import { testAdapters } from '../adapters.ts';

const bare: SystemReport = {
  platform: 'linux-x64',
  node: 'v20.0.0',
  glibc: '2.36',
  webgpu: '0.6.2',
  hasVulkanLoader: true,
  icds: [],
  gpuVendors: [],
  cacheFolder: '/cache',
};
const swiftshader = { name: 'SwiftShader Device (Subzero)', kind: 'software' } as const;
const lavapipe = { name: 'llvmpipe (LLVM 19.1.7, 256 bits)', kind: 'software' } as const;

test.each(testAdapters())('asked for %s, the report marks one adapter and says why', async (adapter) => {
  const report = await examineAdapters(adapter);
  const used = report.adapters.filter((each) => each.wouldBeUsed);
  expect(used.length).toBe(1);
  expect(used[0]?.why).toContain(`"${adapter}"`);
  expect(used[0]?.limits.maxStorageBufferBindingSize).toBeGreaterThanOrEqual(2 ** 27);
  expect(report.problems).toEqual([]);
  const text = formatDoctorReport(report);
  expect(text).toContain(`* ${used[0]?.name}`);
  expect(text).toContain(`node             ${process.version}`);
  expect(text).toMatch(/largest binding {2}\d+ MiB/);
});

test('an adapter that is not there is a problem in the report', async () => {
  const report = await examineAdapters('no such adapter');
  expect(report.adapters.some((adapter) => adapter.wouldBeUsed)).toBe(false);
  expect(report.problems[0]).toContain('"no such adapter" was asked for');
  expect(formatDoctorReport(report)).toContain('Problems');
});

test('advice names what is missing, and nothing where nothing is', () => {
  expect(adviceFor(bare, [lavapipe, swiftshader])).toEqual([]);
  expect(adviceFor(bare, [swiftshader]).join()).toMatch(/^lavapipe runs 3 to 5 times faster/);
  expect(adviceFor({ ...bare, icds: ['/i/lvp_icd.x86_64.json'] }, [swiftshader]).join()).toMatch(/too old/);
  expect(adviceFor({ ...bare, gpuVendors: ['NVIDIA'] }, [lavapipe]).join()).toMatch(
    /GPU by NVIDIA.*nvidia-driver/,
  );
  expect(adviceFor({ ...bare, gpuVendors: ['AMD'] }, [{ name: 'AMD Radeon', kind: 'unknown' }])).toEqual([]);
  expect(adviceFor({ ...bare, webgpu: undefined }, [lavapipe])[0]).toContain('npm install webgpu');
  expect(adviceFor({ ...bare, glibc: '2.31' }, [lavapipe])[0]).toMatch(
    /glibc 2\.34 and this system has 2\.31/,
  );
  expect(adviceFor({ ...bare, hasVulkanLoader: false }, [lavapipe])[0]).toContain('libvulkan1');
  expect(adviceFor(bare, []).at(-1)).toContain('--install-driver');
  expect(adviceFor({ ...bare, platform: 'darwin-arm64', glibc: undefined }, [])).toEqual([]);
});
