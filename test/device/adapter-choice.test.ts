import { expect, test } from 'vitest';
import {
  chooseAdapter,
  classOf,
  type ListedAdapter,
  parseAdapterList,
  softwareNotice,
} from '../../src/device/adapter-choice.ts';

const lavapipe: ListedAdapter = { backend: 'vulkan', name: 'llvmpipe (LLVM 19.1.7, 256 bits)' };
const swiftshader: ListedAdapter = { backend: 'vulkan', name: 'SwiftShader Device (Subzero)' };
const radeon: ListedAdapter = { backend: 'vulkan', name: 'AMD Radeon RX 7900 XTX (RADV NAVI31)' };
const intel: ListedAdapter = { backend: 'vulkan', name: 'Intel(R) UHD Graphics 770 (ADL-S GT1)' };
const warp: ListedAdapter = { backend: 'd3d12', name: 'Microsoft Basic Render Driver' };

test('a GPU comes first, then lavapipe, then SwiftShader, in any listed order', () => {
  expect(chooseAdapter([swiftshader, lavapipe, intel], undefined)).toBe(intel);
  expect(chooseAdapter([swiftshader, lavapipe], undefined)).toBe(lavapipe);
  expect(chooseAdapter([warp, swiftshader], undefined)).toBe(swiftshader);
  expect(chooseAdapter([warp], undefined)).toBe(warp);
  expect(chooseAdapter([], undefined)).toBeUndefined();
});

test("among GPUs the driver's own order stands", () => {
  expect(chooseAdapter([radeon, intel], undefined)).toBe(radeon);
  expect(chooseAdapter([intel, radeon], 'gpu')).toBe(intel);
});

test('what was asked for is taken, and nothing else', () => {
  const all = [lavapipe, radeon, swiftshader, intel];
  expect(chooseAdapter(all, 'lavapipe')).toBe(lavapipe);
  expect(chooseAdapter(all, 'SwiftShader')).toBe(swiftshader);
  expect(chooseAdapter(all, 'intel')).toBe(intel);
  expect(chooseAdapter(all, 'navi31')).toBe(radeon);
  expect(chooseAdapter([lavapipe, swiftshader], 'gpu')).toBeUndefined();
  expect(chooseAdapter(all, 'nvidia')).toBeUndefined();
});

test('reads what Dawn lists, without the backends that cannot compute', () => {
  const message = [
    'no suitable backends found',
    'Available adapters:',
    " * backend: 'd3d12', name: 'Microsoft Basic Render Driver'",
    " * backend: 'null', name: 'Null backend'",
    " * backend: 'vulkan', name: 'SwiftShader Device (Subzero)'",
  ].join('\n');
  expect(parseAdapterList(message)).toEqual([warp, swiftshader]);
  expect(parseAdapterList('something else')).toEqual([]);
});

test('only a CPU driver is worth a notice', () => {
  expect(classOf(warp)).toBe('other software');
  expect(softwareNotice(radeon)).toBeUndefined();
  expect(softwareNotice(lavapipe)).toMatch(/^No GPU driver found: running on llvmpipe/);
  expect(softwareNotice(swiftshader)).toMatch(/^No GPU or lavapipe driver found: running on SwiftShader/);
});
