import { bufferUsage } from '../src/device/buffer-usage.ts';
import type { Device } from '../src/device/gpu-device.ts';
import { type LimitKernel, MEMORY_WORKGROUP_SIZE, readKernels } from './limit-kernels.ts';
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
  const { loops, release } = await openLoops(device, byteLength, kernels);
  try {
    const { count, ms } = await fastestOf(loops);
    return (passes * byteLength * count) / (ms * 1e6);
  } finally {
    release();
  }
}

/** Reads a buffer by the loop that is fastest there, again and again. */
export interface Reading {
  /** Ms to read the buffer once. */
  read(): Promise<number>;
  release(): void;
}

/** `byteLength` is a power of two. */
export async function openReading(device: Device, byteLength: number): Promise<Reading> {
  const { loops, release } = await openLoops(device, byteLength, readKernels);
  try {
    const { loop, count } = await fastestOf(loops);
    return { read: async () => (await loop(count)) / count, release };
  } catch (error) {
    release();
    throw error;
  }
}

/** Ms that so many rounds over a buffer take. */
type MemoryLoop = (rounds: number) => Promise<number>;

async function fastestOf(loops: readonly MemoryLoop[]) {
  const grown: { readonly loop: MemoryLoop; readonly count: number; readonly ms: number }[] = [];
  for (const loop of loops) grown.push({ loop, ...(await growToMs(loop)) });
  return grown.reduce((best, one) => (one.ms / one.count < best.ms / best.count ? one : best));
}

async function openLoops(device: Device, byteLength: number, kernels: readonly LimitKernel[]) {
  const { x, y, release } = twoBuffers(device, byteLength);
  const paramsOfAll: GPUBuffer[] = [];
  const loops: MemoryLoop[] = [];
  for (const { name, code } of kernels) {
    const pipeline = await device.computePipeline(name, code);
    const { group, params } = bindGroup(device, pipeline, 8, [x, y]);
    paramsOfAll.push(params);
    const elementCount = byteLength / (name.includes('vec4f') ? 16 : 4);
    for (const most of MEMORY_WORKGROUPS) {
      const workgroups = Math.min(most, elementCount / (4 * MEMORY_WORKGROUP_SIZE));
      loops.push((rounds) => {
        device.gpu.queue.writeBuffer(params, 0, Uint32Array.of(elementCount, rounds));
        return submitMs(device, name, (pass) => {
          pass.setPipeline(pipeline);
          pass.setBindGroup(0, group);
          pass.dispatchWorkgroups(workgroups);
        });
      });
    }
  }
  return {
    loops,
    release() {
      for (const params of paramsOfAll) device.destroyBuffer(params);
      release();
    },
  };
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
