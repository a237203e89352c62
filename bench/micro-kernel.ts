import { bufferUsage } from '../src/device/buffer-usage.ts';
import type { Device } from '../src/device/gpu-device.ts';

/** Params at binding 0, `storage` at 1, 2, ... of an automatic layout. The caller destroys `params`. */
export function bindGroup(
  device: Device,
  pipeline: GPUComputePipeline,
  paramsByteLength: number,
  storage: readonly GPUBuffer[],
): { readonly group: GPUBindGroup; readonly params: GPUBuffer } {
  const params = device.createBuffer({
    label: 'params',
    byteLength: paramsByteLength,
    usage: bufferUsage.uniform | bufferUsage.copyDst,
  });
  const group = device.gpu.createBindGroup({
    layout: pipeline.getBindGroupLayout(0),
    entries: [params, ...storage].map((buffer, binding) => ({ binding, resource: { buffer } })),
  });
  return { group, params };
}

/** Wall time of one pass, from submit until the GPU is done. */
export async function submitMs(
  device: Device,
  label: string,
  encode: (pass: GPUComputePassEncoder) => void,
): Promise<number> {
  const encoder = device.gpu.createCommandEncoder({ label });
  const pass = encoder.beginComputePass({ label });
  encode(pass);
  pass.end();
  const commands = encoder.finish();
  const startedMs = performance.now();
  device.gpu.queue.submit([commands]);
  await device.onSubmittedWorkDone();
  return performance.now() - startedMs;
}

/** Long enough that a submit's own cost is within a percent or two. */
const LEAST_MS = 10;
const MOST_COUNT = 2 ** 22;
const ROUNDS = 3;

/** Grows the count until a run takes long enough, then gives the fastest of a few runs. */
export async function growToMs(
  run: (count: number) => Promise<number>,
): Promise<{ readonly count: number; readonly ms: number }> {
  let count = 1;
  await run(count); // The first run compiles, on some drivers.
  let ms = await run(count);
  while (ms < LEAST_MS && count < MOST_COUNT) {
    count = Math.min(MOST_COUNT, count * (ms < LEAST_MS / 8 ? 8 : 2));
    ms = await run(count);
  }
  for (let round = 1; round < ROUNDS; round++) ms = Math.min(ms, await run(count));
  return { count, ms };
}
