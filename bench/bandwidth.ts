import { bufferUsage } from '../src/device/buffer-usage.ts';
import type { Device } from '../src/device/gpu-device.ts';
import { type LimitKernel, MEMORY_WORKGROUP_SIZE } from './limit-kernels.ts';
import { bindGroup, growToMs, submitMs } from './micro-kernel.ts';

/** Speed over a buffer of `byteLength`: small ones stay in caches. */
export interface Bandwidth {
  readonly byteLength: number;
  readonly gbps: number;
}

/** Few workgroups suit CPUs, many hide a GPU's latency. */
const MEMORY_WORKGROUPS = [16, 1024];

/** The fastest of `kernels`, of which each moves its buffer `passes` times a round. */
export async function kernelGbps(
  device: Device,
  byteLength: number,
  kernels: readonly LimitKernel[],
  passes: number,
): Promise<number> {
  const { x, y, release } = twoBuffers(device, byteLength);
  let best = 0;
  try {
    for (const { name, code } of kernels) {
      const pipeline = await device.computePipeline(name, code);
      const { group, params } = bindGroup(device, pipeline, 8, [x, y]);
      const elementCount = byteLength / (name.includes('vec4f') ? 16 : 4);
      for (const most of MEMORY_WORKGROUPS) {
        const workgroups = Math.min(most, elementCount / (4 * MEMORY_WORKGROUP_SIZE));
        const { count, ms } = await growToMs((rounds) => {
          device.gpu.queue.writeBuffer(params, 0, Uint32Array.of(elementCount, rounds));
          return submitMs(device, name, (pass) => {
            pass.setPipeline(pipeline);
            pass.setBindGroup(0, group);
            pass.dispatchWorkgroups(workgroups);
          });
        });
        best = Math.max(best, (passes * byteLength * count) / (ms * 1e6));
      }
      device.destroyBuffer(params);
    }
    return best;
  } finally {
    release();
  }
}

/** Both bytes read and bytes written count. */
export async function bufferCopyGbps(device: Device, byteLength: number): Promise<number> {
  const { x, y, release } = twoBuffers(device, byteLength);
  const { count, ms } = await growToMs(async (copies) => {
    const encoder = device.gpu.createCommandEncoder({ label: 'copy' });
    for (let i = 0; i < copies; i++) encoder.copyBufferToBuffer(x, 0, y, 0, byteLength);
    const startedMs = performance.now();
    device.gpu.queue.submit([encoder.finish()]);
    await device.onSubmittedWorkDone();
    return performance.now() - startedMs;
  });
  release();
  return (2 * byteLength * count) / (ms * 1e6);
}

function twoBuffers(device: Device, byteLength: number) {
  const usage = bufferUsage.storage | bufferUsage.copySrc | bufferUsage.copyDst;
  const x = device.createBuffer({ label: 'bandwidth x', byteLength, usage });
  // At least an element for each invocation's sum.
  const y = device.createBuffer({ label: 'bandwidth y', byteLength: Math.max(byteLength, 2 ** 20), usage });
  const release = (): void => [x, y].forEach((buffer) => void device.destroyBuffer(buffer));
  return { x, y, release };
}
