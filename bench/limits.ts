import type { FloatDType } from '../src/core/dtype.ts';
import { bufferUsage } from '../src/device/buffer-usage.ts';
import type { Device } from '../src/device/gpu-device.ts';
import { type Bandwidth, bufferCopyGbps, kernelGbps } from './bandwidth.ts';
import {
  copyKernel,
  emptyKernel,
  FMA_WORKGROUP_SIZE,
  fmaKernels,
  readKernels,
  saltedKernel,
} from './limit-kernels.ts';
import { bindGroup, growToMs, submitMs } from './micro-kernel.ts';

/** What the adapter reaches when a kernel does one thing only: the best of several micro-kernels. */
export interface Limits {
  /** GFLOP/s, a multiply-add counted as two; null without shader-f16. */
  readonly fmaGflops: { readonly f32: number; readonly f16: number | null };
  readonly read: readonly Bandwidth[];
  /** By a kernel; bytes read and bytes written, together. */
  readonly copy: readonly Bandwidth[];
  /** By `copyBufferToBuffer`; bytes read and bytes written, together. Kernels need not reach it. */
  readonly bufferCopy: readonly Bandwidth[];
  /** One more dispatch in a pass. */
  readonly dispatchUs: number;
  /** One more submit of a pass with one dispatch. */
  readonly submitUs: number;
  /** A kernel of a few dozen lines, from its text until it has run for the first time. */
  readonly pipelineMs: number;
  /** A submit, and 4 bytes read back. */
  readonly submitReadbackUs: number;
}

const KIB = 1024;
const MEMORY_BYTES = [256 * KIB, 1024 * KIB, 4096 * KIB, 16384 * KIB, 65536 * KIB];

/** Measures the limits of `device`. Rounds are short: the fastest counts, and noise only slows. */
export async function measureLimits(device: Device, onProgress: (what: string) => void): Promise<Limits> {
  const peak = (dtype: FloatDType) => {
    onProgress(`limits: FMA ${dtype}`);
    return fmaPeak(device, dtype);
  };
  const f32 = await peak('f32');
  const f16 = device.caps.features.shaderF16 ? await peak('f16') : null;
  const read: Bandwidth[] = [];
  const copy: Bandwidth[] = [];
  const bufferCopy: Bandwidth[] = [];
  for (const byteLength of MEMORY_BYTES) {
    onProgress(`limits: memory, ${byteLength / KIB} KiB`);
    read.push({ byteLength, gbps: await kernelGbps(device, byteLength, readKernels, 1) });
    copy.push({ byteLength, gbps: await kernelGbps(device, byteLength, [copyKernel], 2) });
    bufferCopy.push({ byteLength, gbps: await bufferCopyGbps(device, byteLength) });
  }
  onProgress('limits: dispatch and submit');
  const dispatchUs = await dispatchCost(device);
  const submitUs = await submitCost(device);
  const submitReadbackUs = await readbackCost(device);
  onProgress('limits: pipelines');
  const pipelineMs = await pipelineCost(device);
  return {
    fmaGflops: { f32, f16 },
    read,
    copy,
    bufferCopy,
    dispatchUs,
    submitUs,
    pipelineMs,
    submitReadbackUs,
  };
}

/** The better of two measurements in every number. */
export function bestLimits(a: Limits, b: Limits): Limits {
  const faster = (one: readonly Bandwidth[], other: readonly Bandwidth[]): Bandwidth[] =>
    one.map(({ byteLength, gbps }, i) => ({ byteLength, gbps: Math.max(gbps, other[i]?.gbps ?? 0) }));
  const [f16a, f16b] = [a.fmaGflops.f16, b.fmaGflops.f16];
  return {
    fmaGflops: {
      f32: Math.max(a.fmaGflops.f32, b.fmaGflops.f32),
      f16: f16a === null || f16b === null ? null : Math.max(f16a, f16b),
    },
    read: faster(a.read, b.read),
    copy: faster(a.copy, b.copy),
    bufferCopy: faster(a.bufferCopy, b.bufferCopy),
    dispatchUs: Math.min(a.dispatchUs, b.dispatchUs),
    submitUs: Math.min(a.submitUs, b.submitUs),
    pipelineMs: Math.min(a.pipelineMs, b.pipelineMs),
    submitReadbackUs: Math.min(a.submitReadbackUs, b.submitReadbackUs),
  };
}

const FMA_WORKGROUPS = 1024;

async function fmaPeak(device: Device, dtype: FloatDType): Promise<number> {
  const invocations = FMA_WORKGROUPS * FMA_WORKGROUP_SIZE;
  const y = device.createBuffer({ label: 'fma y', byteLength: 4 * invocations, usage: bufferUsage.storage });
  let best = 0;
  try {
    for (const { name, code, flopsPerIteration } of fmaKernels(dtype)) {
      const pipeline = await device.computePipeline(name, code);
      const { group, params } = bindGroup(device, pipeline, 12, [y]);
      const run = (iterations: number): Promise<number> => {
        const words = new Uint32Array(3);
        words[0] = iterations;
        new Float32Array(words.buffer).set([0.75, 0.25], 1);
        device.gpu.queue.writeBuffer(params, 0, words);
        return submitMs(device, name, (pass) => {
          pass.setPipeline(pipeline);
          pass.setBindGroup(0, group);
          pass.dispatchWorkgroups(FMA_WORKGROUPS);
        });
      };
      const { count, ms } = await growToMs(run);
      best = Math.max(best, (invocations * flopsPerIteration * count) / (ms * 1e6));
      device.destroyBuffer(params);
    }
    return best;
  } finally {
    device.destroyBuffer(y);
  }
}

async function dispatchCost(device: Device): Promise<number> {
  const pipeline = await device.computePipeline(emptyKernel.name, emptyKernel.code);
  const { count, ms } = await growToMs((dispatches) =>
    submitMs(device, emptyKernel.name, (pass) => {
      pass.setPipeline(pipeline);
      for (let i = 0; i < dispatches; i++) pass.dispatchWorkgroups(1);
    }),
  );
  return (ms * 1000) / count;
}

async function submitCost(device: Device): Promise<number> {
  const pipeline = await device.computePipeline(emptyKernel.name, emptyKernel.code);
  const { count, ms } = await growToMs(async (submits) => {
    const startedMs = performance.now();
    for (let i = 0; i < submits; i++) {
      const encoder = device.gpu.createCommandEncoder({ label: 'submit' });
      const pass = encoder.beginComputePass();
      pass.setPipeline(pipeline);
      pass.dispatchWorkgroups(1);
      pass.end();
      device.gpu.queue.submit([encoder.finish()]);
    }
    await device.onSubmittedWorkDone();
    return performance.now() - startedMs;
  });
  return (ms * 1000) / count;
}

const PIPELINES = 3;

/** The fastest of a few texts, each new to every cache: drivers keep what they compiled, some on disk. */
async function pipelineCost(device: Device): Promise<number> {
  const y = device.createBuffer({ label: 'pipeline y', byteLength: 4096, usage: bufferUsage.storage });
  const salt = Math.floor(performance.timeOrigin % 2 ** 24);
  let best = Number.POSITIVE_INFINITY;
  try {
    for (let i = 0; i < PIPELINES; i++) {
      const { name, code } = saltedKernel(salt + performance.now() + i);
      const startedMs = performance.now();
      const pipeline = await device.computePipeline(name, code);
      const { group, params } = bindGroup(device, pipeline, 12, [y]);
      await submitMs(device, name, (pass) => {
        pass.setPipeline(pipeline);
        pass.setBindGroup(0, group);
        pass.dispatchWorkgroups(1);
      });
      best = Math.min(best, performance.now() - startedMs);
      device.destroyBuffer(params);
    }
    return best;
  } finally {
    device.destroyBuffer(y);
  }
}

const READBACKS = 50;

async function readbackCost(device: Device): Promise<number> {
  const pipeline = await device.computePipeline(emptyKernel.name, emptyKernel.code);
  const usage = bufferUsage.storage | bufferUsage.copySrc;
  const buffer = device.createBuffer({ label: 'read-back', byteLength: 4, usage });
  let best = Number.POSITIVE_INFINITY;
  for (let i = 0; i < READBACKS; i++) {
    const startedMs = performance.now();
    const encoder = device.gpu.createCommandEncoder({ label: 'read-back' });
    const pass = encoder.beginComputePass();
    pass.setPipeline(pipeline);
    pass.dispatchWorkgroups(1);
    pass.end();
    device.gpu.queue.submit([encoder.finish()]);
    await device.readBuffer(buffer, 0, 4);
    best = Math.min(best, performance.now() - startedMs);
  }
  device.destroyBuffer(buffer);
  return best * 1000;
}
