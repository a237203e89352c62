/**
 * GPU tests run on every adapter that is there:
 *
 *     describeOnAdapters('softmax', (getDevice) => {
 *       test('sums to one', async () => {
 *         const device = getDevice(); // one Device per adapter, shared by the tests of this block
 *         ...
 *       });
 *     });
 *
 * The adapters are lavapipe, where its driver is installed, and SwiftShader, which npm carries. Set
 * `TESSERA_TEST_ADAPTERS` to a comma-separated list (`gpu`, `lavapipe`, `swiftshader`, or parts of names) to
 * choose others. The block fails if its tests leave an uncaptured WebGPU error behind.
 */
import { afterAll, beforeAll, describe } from 'vitest';
import { isDriverCarried } from '../src/device/driver-cache.ts';
import type { Device } from '../src/device/gpu-device.ts';
import { type RequestDeviceOptions, requestDevice } from '../src/device/request-device.ts';
import { driverManifests } from '../src/device/vulkan-loader.ts';

const SETUP_TIMEOUT_MS = 60_000;

/** Names to hand to `requestDevice`, one per adapter to test on. */
export function testAdapters(): readonly string[] {
  const chosen = process.env.TESSERA_TEST_ADAPTERS?.split(',').map((name) => name.trim());
  return chosen?.filter(Boolean) ?? Object.keys(installed).filter((name) => installed[name] === true);
}

/** Defines `tests` once per adapter; `getDevice` works inside tests and hooks. */
export function describeOnAdapters(
  name: string,
  tests: (getDevice: () => Device, adapter: string) => void,
  options: Omit<RequestDeviceOptions, 'adapter'> = {},
): void {
  for (const adapter of testAdapters()) {
    describe(`${name} on ${adapter}`, () => {
      let device: Device | undefined;
      beforeAll(async () => {
        device = await requestDevice({ ...options, adapter });
      }, SETUP_TIMEOUT_MS);
      afterAll(() => device?.dispose());
      tests(() => {
        if (!device) throw new Error('getDevice: expected to be called inside a test or hook');
        return device;
      }, adapter);
    });
  }
  if (process.env.TESSERA_TEST_ADAPTERS) return;
  for (const [adapter, reason] of Object.entries(installed)) {
    if (reason !== true)
      describe.skip(`${name} on ${adapter} (skipped: ${reason})`, () => tests(neverCalled, adapter));
  }
}

/** True, or why the adapter can't be tested here. */
const installed: Readonly<Record<string, true | string>> = {
  lavapipe:
    driverManifests().some((path) => /lvp_icd/.test(path)) || 'no lvp_icd.json; install mesa-vulkan-drivers',
  swiftshader: isDriverCarried() || `npm carries it for linux-x64, not ${process.platform}-${process.arch}`,
};

function neverCalled(): never {
  throw new Error('getDevice: a skipped test ran');
}
