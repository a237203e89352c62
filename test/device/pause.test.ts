import { afterEach, expect, test, vi } from 'vitest';
import { bufferUsage } from '../../src/device/buffer-usage.ts';
import { createPause } from '../../src/device/pause.ts';
import { describeOnAdapters } from '../adapters.ts';

afterEach(() => void vi.restoreAllMocks());

const turns = async (count: number): Promise<void> => {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve));
};
const busyFor = (ms: number): void => {
  for (const end = performance.now() + ms; performance.now() < end; );
};
const restsOf = (wait: { readonly mock: { readonly calls: readonly unknown[][] } }): readonly number[] =>
  wait.mock.calls.map((call) => Number(call[3]));

test('rests while something is waited for, ever longer up to half a millisecond, and then no more', async () => {
  const wait = vi.spyOn(Atomics, 'wait');
  let waiting = true;
  createPause(() => waiting).begin();
  await turns(200);
  const rests = restsOf(wait);
  expect(rests.length).toBeGreaterThan(20);
  expect(rests[0]).toBeGreaterThan(0);
  expect(Math.max(...rests)).toBe(0.5);
  expect(rests[0]).toBeLessThan(0.5);
  waiting = false;
  await turns(2);
  const before = wait.mock.calls.length;
  await turns(20);
  expect(wait.mock.calls.length).toBe(before);
});

test('rests in no turn that has other work', async () => {
  const wait = vi.spyOn(Atomics, 'wait');
  let waiting = true;
  createPause(() => waiting).begin();
  for (let i = 0; i < 20; i++) {
    busyFor(0.5);
    await turns(1);
  }
  waiting = false;
  expect(wait).not.toHaveBeenCalled();
});

/** Runs for long on any CPU. */
const LONG = `
  @group(0) @binding(0) var<storage, read_write> y: array<f32>;
  @compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3u) {
    var value = f32(id.x);
    for (var i = 0u; i < 20000u; i++) { value = fract(value * 1.1 + 0.3); }
    y[id.x % arrayLength(&y)] = value;
  }`;

describeOnAdapters('waiting for a device', (getDevice) => {
  test('rests, and other work is done meanwhile', async () => {
    const device = getDevice();
    const pipeline = await device.computePipeline('long', LONG);
    const buffer = device.createBuffer({ label: 'y', byteLength: 256, usage: bufferUsage.storage });
    const group = device.gpu.createBindGroup({
      layout: pipeline.getBindGroupLayout(0),
      entries: [{ binding: 0, resource: { buffer } }],
    });
    const wait = vi.spyOn(Atomics, 'wait');
    const encoder = device.gpu.createCommandEncoder();
    const pass = encoder.beginComputePass();
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, group);
    pass.dispatchWorkgroups(64);
    pass.end();
    device.gpu.queue.submit([encoder.finish()]);
    let done = false;
    let others = 0;
    const working = device.onSubmittedWorkDone().then(() => {
      done = true;
    });
    while (!done) {
      await turns(1);
      others++;
    }
    await working;
    device.destroyBuffer(buffer);
    expect(wait.mock.calls.length).toBeGreaterThan(5);
    expect(others).toBeGreaterThan(5);
  });
});
