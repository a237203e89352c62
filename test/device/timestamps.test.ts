import { expect, test } from 'vitest';
import { UnsupportedError } from '../../src/core/errors.ts';
import { requestDevice } from '../../src/device/request-device.ts';
import { createTimestamps } from '../../src/device/timestamps.ts';
import { describeOnAdapters } from '../adapters.ts';

const busy = `@group(0) @binding(0) var<storage, read_write> x: array<f32>;
@compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3u) {
  var sum = f32(id.x);
  for (var i = 0u; i < 2000u; i++) { sum = sum * 0.999 + 1.0; }
  x[id.x] = sum;
}`;

describeOnAdapters('timestamps', (getDevice, adapter) => {
  test('each pass is timed by its label, within the time that went by', async () => {
    const device = getDevice();
    const timestamps = createTimestamps(device, 2);
    const buffer = device.createBuffer({ label: 'x', byteLength: 4 * 64 * 256, usage: 0x80 });
    const pipeline = await device.computePipeline('busy', busy);
    const group = device.gpu.createBindGroup({
      layout: pipeline.getBindGroupLayout(0),
      entries: [{ binding: 0, resource: { buffer } }],
    });
    const run = async () => {
      await device.withErrorScope('busy', () => {
        const encoder = device.gpu.createCommandEncoder();
        for (const [label, workgroups] of [
          ['small', 1],
          ['large', 256],
        ] as const) {
          const pass = encoder.beginComputePass({ timestampWrites: timestamps.begin(label) });
          pass.setPipeline(pipeline);
          pass.setBindGroup(0, group);
          pass.dispatchWorkgroups(workgroups);
          pass.end();
        }
        timestamps.resolve(encoder);
        device.gpu.queue.submit([encoder.finish()]);
      });
      return timestamps.read();
    };
    const startMs = performance.now();
    const times = await run();
    const wallMs = performance.now() - startMs;
    expect(times.map((time) => time.label)).toEqual(['small', 'large']);
    for (const { timeMs } of times) expect(timeMs).toBeGreaterThan(0);
    expect(times.reduce((sum, { timeMs }) => sum + timeMs, 0)).toBeLessThanOrEqual(wallMs);
    expect((await run()).length).toBe(2);
    timestamps.begin('one');
    timestamps.begin('two');
    expect(() => timestamps.begin('three')).toThrow(/pass 3 begun; expected at most 2/);
    timestamps.dispose();
    device.destroyBuffer(buffer);
  });

  test('a device without timestamp-query is refused', async () => {
    const device = await requestDevice({ adapter, features: [] });
    expect(() => createTimestamps(device, 1)).toThrow(UnsupportedError);
    device.dispose();
  });
});
