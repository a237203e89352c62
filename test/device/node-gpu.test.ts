import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { isDriverCarried } from '../../src/device/driver-cache.ts';
import { requestDevice } from '../../src/device/request-device.ts';
import { driverManifests, loadLibrary, withOnlyDriver } from '../../src/device/vulkan-loader.ts';
import { testAdapters } from '../adapters.ts';

const MODULE = new URL('../../src/device/request-device.ts', import.meta.url).href;

interface Exit {
  readonly code: number | null;
  readonly output: string;
}

/** Runs a script in a Node of its own; a process that does not end by itself gets killed: code null. */
function runScript(script: string, env: Readonly<Record<string, string>>): Promise<Exit> {
  const flags = ['--import', 'tsx', '--input-type=module', '--eval', script];
  const child = spawn(process.execPath, flags, { env: { ...process.env, ...env }, timeout: 20_000 });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      output += chunk.toString();
    });
  }
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, output })));
}

describe.each(testAdapters())('a process on %s', (adapter) => {
  test.each([
    ['disposes', 'device.dispose();'],
    ['disposes with work pending', 'device.readBuffer(buffer, 0, 64).catch(() => {}); device.dispose();'],
    ['forgets to dispose', ''],
  ])(
    'that %s exits by itself with 0',
    async (_name, ending) => {
      const script = `
      import { requestDevice } from '${MODULE}';
      const device = await requestDevice();
      const buffer = device.createBuffer({ label: 'x', byteLength: 64, usage: 4 });
      await device.readBuffer(buffer, 0, 64);
      console.log('adapter:', device.caps.adapterName);
      ${ending}`;
      const { code, output } = await runScript(script, { TESSERA_ADAPTER: adapter });
      expect(output).toContain('adapter: ');
      expect(code).toBe(0);
    },
    30_000,
  );
});

test('an adapter that is not there is an error that lists those that are', async () => {
  const asked = requestDevice({ adapter: 'no such adapter' });
  await expect(asked).rejects.toThrow(/"no such adapter" was asked for, but there is ".+"/);
  for (const adapter of testAdapters().filter((name) => name === 'lavapipe' || name === 'swiftshader')) {
    const part = adapter === 'lavapipe' ? /llvmpipe/ : /SwiftShader/;
    await expect(requestDevice({ adapter: 'no such adapter' })).rejects.toThrow(part);
  }
});

describe.runIf(isDriverCarried())('a machine without drivers', () => {
  test('runs on the SwiftShader from npm, with one line that says so', async () => {
    const cache = await mkdtemp(join(tmpdir(), 'tessera-bare-'));
    try {
      const script = `
        import { requestDevice } from '${MODULE}';
        const device = await requestDevice();
        console.log('notice:', device.notice);
        device.dispose();`;
      const { code, output } = await runScript(script, {
        VK_DRIVER_FILES: '/nonexistent/icd.json',
        TESSERA_ADAPTER: '',
        TESSERA_CACHE: cache,
      });
      expect(output).toMatch(
        /notice: No GPU or lavapipe driver found: running on SwiftShader.*tessera doctor/,
      );
      expect(code).toBe(0);
    } finally {
      await rm(cache, { recursive: true, force: true });
    }
  }, 30_000);
});

test('driver manifests come from the variables, in the order the loader reads them', () => {
  expect(driverManifests({ VK_DRIVER_FILES: '/a.json:/b.json', VK_ICD_FILENAMES: '/c.json' })).toEqual([
    '/a.json',
    '/b.json',
  ]);
  expect(driverManifests({ VK_ICD_FILENAMES: '/c.json' })).toEqual(['/c.json']);
  const nowhere = { XDG_CONFIG_HOME: '/x', XDG_DATA_HOME: '/x', XDG_CONFIG_DIRS: '/x', XDG_DATA_DIRS: '/x' };
  expect(driverManifests({ ...nowhere, VK_ADD_DRIVER_FILES: '/d.json' })[0]).toBe('/d.json');
});

test('the driver variables are put back, also after an error', () => {
  const before = [process.env.VK_DRIVER_FILES, process.env.VK_ICD_FILENAMES];
  const seen = withOnlyDriver('/only.json', () => [
    process.env.VK_DRIVER_FILES,
    process.env.VK_ICD_FILENAMES,
  ]);
  expect(seen).toEqual(['/only.json', '/only.json']);
  const fail = () => {
    throw new RangeError('inside');
  };
  expect(() => withOnlyDriver('/only.json', fail)).toThrow(RangeError);
  expect([process.env.VK_DRIVER_FILES, process.env.VK_ICD_FILENAMES]).toEqual(before);
});

test('a library that is not there is not loaded', () => {
  expect(loadLibrary('/nonexistent/libvulkan.so.1')).toBe(false);
});
