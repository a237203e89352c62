import type { Plan, PlanDispatch, PlanPipeline } from '../compile/plan.ts';
import { alignUp } from '../compile/plan-memory.ts';
import { bufferUsage } from '../device/buffer-usage.ts';
import type { Device } from '../device/gpu-device.ts';
import { bindingLayout, createPipeline } from './bindings.ts';

export interface WarmUpOptions {
  /** After every pipeline: how many are ready, of how many. */
  readonly onProgress?: ((pipelinesDone: number, pipelinesTotal: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A pipeline with one of the dispatches that use it. */
interface Sample {
  readonly pipeline: PlanPipeline;
  readonly dispatch: PlanDispatch;
  readonly params: Uint8Array;
}

/** What a binding is given in place of its tensor at most: kernels clamp their indices to it. */
const MAX_BINDING_BYTES = 64 * 2 ** 10;

/** Pipelines that have run. */
const warm = new WeakSet<GPUComputePipeline>();

/**
 * Makes the pipelines of all `plans` together and runs one workgroup of each over scratch memory, since some drivers
 * compile only then. Touches no tensor, needs no weights, and lets other work of the queue between any two. Once it
 * is aborted it makes no more and returns. Throws DeviceError naming the kernel that fails.
 */
export async function warmUp(
  device: Device,
  plans: readonly Plan[],
  { onProgress, signal }: WarmUpOptions = {},
): Promise<void> {
  const samples = samplesOf(plans);
  if (samples.length === 0) return;
  const scratch = createScratch(device, samples);
  let done = 0;
  // One after another: the driver may take long over each, and weights wait in the same queue.
  let last: Promise<void> = Promise.resolve();
  try {
    const results = await Promise.allSettled(
      samples.map(async (sample) => {
        const pipeline = await createPipeline(device, sample.pipeline);
        last = last.then(async () => {
          if (signal?.aborted) return;
          if (!warm.has(pipeline)) await scratch.run(pipeline, sample);
          warm.add(pipeline);
          onProgress?.(++done, samples.length);
        });
        await last;
      }),
    );
    for (const result of results) if (result.status === 'rejected') throw result.reason;
  } finally {
    scratch.dispose();
  }
}

/** One sample of every text and layout. */
function samplesOf(plans: readonly Plan[]): readonly Sample[] {
  const samples = new Map<string, Sample>();
  for (const { pipelines, dispatches, params } of plans) {
    for (const dispatch of dispatches) {
      const pipeline = pipelines[dispatch.pipeline];
      if (!pipeline) continue;
      const key = `${pipeline.bindings.join()}\n${pipeline.code}`;
      if (!samples.has(key)) samples.set(key, { pipeline, dispatch, params });
    }
  }
  return [...samples.values()];
}

/** Memory that stands in for the tensors of any sample. */
function createScratch(device: Device, samples: readonly Sample[]) {
  const { minStorageBufferOffsetAlignment } = device.caps.limits;
  const slot = alignUp(MAX_BINDING_BYTES, minStorageBufferOffsetAlignment);
  const written = samples.map(
    ({ pipeline }) => pipeline.bindings.filter((type) => type === 'storage').length,
  );
  const storage = (label: string, slots: number): GPUBuffer =>
    device.createBuffer({ label, byteLength: slot * Math.max(1, slots), usage: bufferUsage.storage });
  const uniform = device.createBuffer({
    label: 'warm-up params',
    byteLength: alignUp(Math.max(...samples.map(({ dispatch }) => dispatch.paramsByteLength)), 16),
    usage: bufferUsage.uniform | bufferUsage.copyDst,
  });
  // WebGPU forbids one buffer to be read and written in a dispatch.
  const read = storage('warm-up inputs', 1);
  const write = storage('warm-up outputs', Math.max(...written));
  const buffers = [uniform, read, write];

  return {
    async run(pipeline: GPUComputePipeline, { pipeline: { bindings }, dispatch, params }: Sample) {
      const { label, paramsOffset, paramsByteLength } = dispatch;
      let slots = 0;
      const resources = bindings.map((type, i) => {
        const size = Math.min(dispatch.bindings[i]?.byteLength ?? 0, MAX_BINDING_BYTES);
        return type === 'storage' ? { buffer: write, offset: slot * slots++, size } : { buffer: read, size };
      });
      await device.withErrorScope(`warm-up of ${label}`, () => {
        const bytes = params.slice(paramsOffset, paramsOffset + paramsByteLength);
        device.gpu.queue.writeBuffer(uniform, 0, bytes);
        const group = device.gpu.createBindGroup({
          label,
          layout: bindingLayout(device, bindings).group,
          entries: [{ buffer: uniform, size: paramsByteLength }, ...resources].map((resource, binding) => ({
            binding,
            resource,
          })),
        });
        const encoder = device.gpu.createCommandEncoder({ label: 'warm-up' });
        const pass = encoder.beginComputePass({ label: 'warm-up' });
        pass.setPipeline(pipeline);
        pass.setBindGroup(0, group);
        pass.dispatchWorkgroups(1);
        pass.end();
        device.gpu.queue.submit([encoder.finish()]);
      });
      await device.onSubmittedWorkDone();
    },
    dispose: () => buffers.forEach(device.destroyBuffer),
  };
}
