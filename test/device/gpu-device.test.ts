import { describe, expect, test } from 'vitest';
import { DeviceError } from '../../src/core/errors.ts';
import { bufferUsage, mapMode } from '../../src/device/buffer-usage.ts';
import { requestDevice } from '../../src/device/request-device.ts';
import { describeOnAdapters, testAdapters } from '../adapters.ts';

const double = `@group(0) @binding(0) var<storage, read_write> x: array<f32>;
@compute @workgroup_size(4) fn main(@builtin(global_invocation_id) id: vec3u) {
  x[id.x] = 2 * x[id.x];
}`;

/** The DeviceError `act` throws or rejects with. */
async function deviceError(act: () => unknown): Promise<DeviceError> {
  try {
    await act();
  } catch (error) {
    if (error instanceof DeviceError) return error;
    throw error;
  }
  throw new Error('expected a DeviceError, but nothing was thrown');
}

describeOnAdapters('device', (getDevice, adapter) => {
  test('caps hold the numbers of the adapter, above WebGPU defaults', () => {
    const { caps, driver } = getDevice();
    expect(driver.length).toBeGreaterThan(0);
    if (adapter === 'lavapipe') {
      expect(caps.kind).toBe('software');
      expect(caps.adapterName).toMatch(/llvmpipe/);
      expect(caps.features).toEqual({ shaderF16: true, subgroups: true, timestampQuery: true });
      expect(caps.subgroupMinSize).toBe(8);
      expect(caps.limits.maxStorageBufferBindingSize).toBe(2 ** 27);
      expect(caps.limits.maxComputeInvocationsPerWorkgroup).toBe(1024);
      expect(caps.limits.maxComputeWorkgroupStorageSize).toBe(32768);
    }
    if (adapter === 'swiftshader') {
      expect(caps.kind).toBe('software');
      expect(caps.adapterName).toMatch(/SwiftShader/);
      expect(caps.features).toEqual({ shaderF16: false, subgroups: true, timestampQuery: true });
      expect(caps.subgroupMaxSize).toBe(4);
      expect(caps.limits.maxStorageBufferBindingSize).toBe(2 ** 30);
      expect(caps.limits.maxComputeInvocationsPerWorkgroup).toBe(256);
    }
  });

  test('runs a shader and reads any byte range back', async () => {
    const device = getDevice();
    const usage = bufferUsage.storage | bufferUsage.copySrc | bufferUsage.copyDst;
    const buffer = device.createBuffer({ label: 'x', byteLength: 32, usage });
    device.gpu.queue.writeBuffer(buffer, 0, new Float32Array([1, 2, 3, 4, 5, 6, 7, 8]));
    const pipeline = await device.computePipeline('double {wg: 4}', double);
    await device.withErrorScope('double {wg: 4}', () => {
      const group = device.gpu.createBindGroup({
        layout: pipeline.getBindGroupLayout(0),
        entries: [{ binding: 0, resource: { buffer } }],
      });
      const encoder = device.gpu.createCommandEncoder();
      const pass = encoder.beginComputePass();
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, group);
      pass.dispatchWorkgroups(1);
      pass.end();
      device.gpu.queue.submit([encoder.finish()]);
    });
    await device.onSubmittedWorkDone();
    const all = new Float32Array(await device.readBuffer(buffer, 0, 32));
    expect([...all]).toEqual([2, 4, 6, 8, 5, 6, 7, 8]);
    const whole = new Uint8Array(all.buffer);
    expect([...new Uint8Array(await device.readBuffer(buffer, 3, 10))]).toEqual([...whole.slice(3, 13)]);
    expect((await device.readBuffer(buffer, 32, 0)).byteLength).toBe(0);
    expect((await deviceError(() => device.readBuffer(buffer, 24, 12))).message).toMatch(
      /24 to 36.*32 bytes/,
    );
    device.destroyBuffer(buffer);
  });

  test('reads reuse their staging, and concurrent reads do not mix', async () => {
    const device = getDevice();
    const usage = bufferUsage.copySrc | bufferUsage.copyDst;
    const before = device.memory.liveBytes;
    const buffers = Array.from({ length: 4 }, (_, index) => {
      const buffer = device.createBuffer({ label: `b${index}`, byteLength: 1024, usage });
      device.gpu.queue.writeBuffer(buffer, 0, new Uint32Array(256).fill(index));
      return buffer;
    });
    const readAll = () => Promise.all(buffers.map((buffer) => device.readBuffer(buffer, 0, 1024)));
    const bytes = await readAll();
    for (const [index, each] of bytes.entries()) {
      expect(new Uint32Array(each)).toEqual(new Uint32Array(256).fill(index));
    }
    const afterFirst = device.memory.liveBytes;
    for (let round = 0; round < 5; round++) await readAll();
    expect(device.memory.liveBytes).toBe(afterFirst);
    expect(afterFirst - before).toBeLessThanOrEqual(8 * 1024);
    for (const buffer of buffers) device.destroyBuffer(buffer);
    expect(device.memory.liveBytes).toBe(afterFirst - 4096);
    expect(device.memory.peakBytes).toBeGreaterThanOrEqual(afterFirst);
  });

  test('a pipeline is made once per text, layout and constants', async () => {
    const device = getDevice();
    const wgsl = `override k: u32 = 1; ${double.replace('2 *', 'f32(k) *')}`;
    const count = device.pipelineCount;
    const [a, b] = await Promise.all([
      device.computePipeline('first', wgsl),
      device.computePipeline('second', wgsl),
    ]);
    expect(b).toBe(a);
    const other = await device.computePipeline('third', wgsl, 'auto', { k: 3 });
    expect(other).not.toBe(a);
    expect(device.pipelineCount).toBe(count + 2);
  });

  test('a shader that does not compile names label, line and source, and is not cached', async () => {
    const device = getDevice();
    const wgsl =
      'fn f() -> i32 {\n  return 1;\n}\n@compute @workgroup_size(1) fn main() {\n  let a: i32 = 1.5;\n}';
    const count = device.pipelineCount;
    for (let attempt = 0; attempt < 2; attempt++) {
      const error = await deviceError(() => device.computePipeline('softmax_row {wg: 64, vec: 4}', wgsl));
      expect(error.message).toContain('softmax_row {wg: 64, vec: 4}');
      expect(error.message).toContain('line 5:16');
      expect(error.message).toContain('5 |   let a: i32 = 1.5;');
      expect(error.code).toBe('device');
    }
    expect(device.pipelineCount).toBe(count);
    device.createBuffer({ label: 'still alive', byteLength: 4, usage: bufferUsage.storage });
  });

  test('a pipeline the adapter refuses names its label', async () => {
    const device = getDevice();
    const wgsl = double.replace('workgroup_size(4)', 'workgroup_size(1024, 64)');
    const error = await deviceError(() => device.computePipeline('too_big {wg: 65536}', wgsl));
    expect(error.message).toContain('too_big {wg: 65536}');
    expect(error.message).toMatch(/workgroup/i);
  });

  test('a validation error names its label, and the device works on', async () => {
    const device = getDevice();
    const wrong = () => {
      const buffer = device.gpu.createBuffer({ label: 'uniform', size: 16, usage: bufferUsage.uniform });
      const encoder = device.gpu.createCommandEncoder();
      encoder.copyBufferToBuffer(buffer, 0, buffer, 8, 8);
      device.gpu.queue.submit([encoder.finish()]);
    };
    const error = await deviceError(() => device.withErrorScope('matmul_tiled {tile: 8}', wrong));
    expect(error.message).toMatch(/^matmul_tiled \{tile: 8\}: WebGPU validation error: /);
    expect(await device.withErrorScope('fine', () => 42)).toBe(42);
  });

  test('what fn throws passes through, with the scopes balanced', async () => {
    const device = getDevice();
    const act = device.withErrorScope('throws', () => {
      throw new RangeError('from fn');
    });
    await expect(act).rejects.toThrow(RangeError);
    expect(await device.withErrorScope('fine', () => 1)).toBe(1);
    await expect(device.gpu.popErrorScope()).rejects.toThrow();
  });

  test('buffers of impossible sizes are refused with the numbers', async () => {
    const device = getDevice();
    const { maxBufferSize } = device.caps.limits;
    const live = device.memory.liveBytes;
    for (const byteLength of [0, -4, 3, 2.5, Number.NaN]) {
      const options = { label: 'odd', byteLength, usage: bufferUsage.storage };
      expect((await deviceError(() => device.createBuffer(options))).message).toContain(
        `${byteLength} bytes`,
      );
    }
    const tooLarge = { label: 'embed', byteLength: 2 ** 40, usage: bufferUsage.storage };
    const { message } = await deviceError(() => device.createBuffer(tooLarge));
    expect(message).toContain('buffer "embed"');
    expect(message).toContain(`${2 ** 40} bytes`);
    expect(message).toContain(`${maxBufferSize}`);
    expect(device.memory.liveBytes).toBe(live);
  });

  test('an invalid buffer is reported by the next call, by its label, once', async () => {
    const device = getDevice();
    const usage = bufferUsage.mapRead | bufferUsage.storage; // not allowed together
    const buffer = device.createBuffer({ label: 'mixed', byteLength: 16, usage });
    const { message } = await deviceError(() => device.withErrorScope('next', () => undefined));
    expect(message).toMatch(/buffer "mixed" of 16 bytes: WebGPU validation error/);
    await device.onSubmittedWorkDone();
    device.destroyBuffer(buffer);
    expect((await deviceError(() => device.destroyBuffer(buffer))).message).toContain('"mixed" is not held');
  });

  test('an error outside every scope is thrown by the next call', async () => {
    const device = getDevice();
    device.gpu.createBuffer({ label: 'bad', size: 16, usage: bufferUsage.mapRead | bufferUsage.storage });
    const { message } = await deviceError(async () => {
      await device.onSubmittedWorkDone();
      await new Promise((resolve) => setTimeout(resolve, 50));
      await device.onSubmittedWorkDone();
    });
    expect(message).toMatch(/uncaptured WebGPU error: .*bad/s);
    await device.onSubmittedWorkDone();
  });
});

describe.each(testAdapters())('lifetime on %s', (adapter) => {
  test('loss rejects everything that is pending, and every later call', async () => {
    const device = await requestDevice({ adapter });
    const usage = bufferUsage.copySrc | bufferUsage.copyDst;
    const buffer = device.createBuffer({ label: 'x', byteLength: 1024, usage });
    const pending = [
      device.readBuffer(buffer, 0, 1024),
      device.computePipeline('late', double),
      device.onSubmittedWorkDone(),
      device.withErrorScope('scope', () => undefined),
    ].map((promise) => deviceError(() => promise));
    device.gpu.destroy();
    for (const error of await Promise.all(pending)) {
      expect(error.code).toBe('device-lost');
      expect(error.message).toMatch(/was lost \(destroyed\)/);
    }
    expect((await device.lost).reason).toBe('destroyed');
    const createBuffer = () => device.createBuffer({ label: 'y', byteLength: 4, usage });
    for (const act of [
      createBuffer,
      () => device.readBuffer(buffer, 0, 4),
      () => device.computePipeline('after', double),
      () => device.onSubmittedWorkDone(),
      () => device.withErrorScope('after', () => undefined),
    ]) {
      expect((await deviceError(act)).code).toBe('device-lost');
    }
    device.dispose();
    expect(device.memory.liveBytes).toBe(0);
  });

  test('dispose frees all, rejects what is pending, and may be called twice', async () => {
    const device = await requestDevice({ adapter });
    const usage = bufferUsage.copySrc | bufferUsage.copyDst;
    const buffer = device.createBuffer({ label: 'x', byteLength: 4096, usage });
    await device.readBuffer(buffer, 0, 4096);
    expect(device.memory.liveBytes).toBe(8192);
    const pending = deviceError(() => device.readBuffer(buffer, 0, 16));
    device.dispose();
    device.dispose();
    expect(device.memory.liveBytes).toBe(0);
    expect(device.memory.peakBytes).toBeGreaterThanOrEqual(8192);
    const error = await pending;
    expect(error.code).toBe('device');
    expect(error.message).toContain('is disposed');
    device.destroyBuffer(buffer);
    expect((await deviceError(() => device.onSubmittedWorkDone())).message).toContain('is disposed');
  });

  test('dispose throws an error that no call has reported', async () => {
    const device = await requestDevice({ adapter });
    device.createBuffer({ label: 'x', byteLength: 4, usage: bufferUsage.mapRead | bufferUsage.storage });
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(() => device.dispose()).toThrow(/buffer "x" of 4 bytes/);
    expect(device.memory.liveBytes).toBe(0);
  });

  test('devices of one adapter live side by side', async () => {
    const [first, second] = [await requestDevice({ adapter }), await requestDevice({ adapter })];
    first.dispose();
    const usage = bufferUsage.copySrc | bufferUsage.copyDst;
    const buffer = second.createBuffer({ label: 'x', byteLength: 8, usage });
    second.gpu.queue.writeBuffer(buffer, 0, new Uint32Array([7, 9]));
    expect([...new Uint32Array(await second.readBuffer(buffer, 0, 8))]).toEqual([7, 9]);
    second.dispose();
  });

  test('lowered limits and fewer features show in caps and bind', async () => {
    const limits = { maxStorageBufferBindingSize: 65536, maxBufferSize: 131072 };
    const device = await requestDevice({ adapter, limits, features: ['timestamp-query'] });
    expect(device.caps.limits.maxStorageBufferBindingSize).toBe(65536);
    expect(device.caps.features).toEqual({ shaderF16: false, subgroups: false, timestampQuery: true });
    expect(device.caps.subgroupMaxSize).toBe(0);
    const options = { label: 'big', byteLength: 131076, usage: bufferUsage.storage };
    expect((await deviceError(() => device.createBuffer(options))).message).toContain('at most 131072');
    device.dispose();
    const better = () => requestDevice({ adapter, limits: { maxBufferSize: 2 ** 52 } });
    expect((await deviceError(better)).message).toContain(`maxBufferSize set to ${2 ** 52}`);
  });
});

test('mapMode and bufferUsage hold the values of the specification', async () => {
  const { globals } = await import('webgpu');
  const spec = globals as { GPUBufferUsage: GPUBufferUsage; GPUMapMode: GPUMapMode };
  expect(mapMode).toEqual({ read: spec.GPUMapMode.READ, write: spec.GPUMapMode.WRITE });
  expect(bufferUsage.queryResolve).toBe(spec.GPUBufferUsage.QUERY_RESOLVE);
  expect(bufferUsage.storage).toBe(spec.GPUBufferUsage.STORAGE);
});
