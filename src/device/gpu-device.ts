import type { Caps } from '../core/caps.ts';
import { DeviceError } from '../core/errors.ts';
import { type BufferOptions, createBufferAllocator, type DeviceMemory } from './buffers.ts';
import { watchFaults } from './faults.ts';
import type { CreatePause } from './pause.ts';
import { createPipelineCache } from './pipelines.ts';

/**
 * A GPUDevice with typed errors, counted memory and cached pipelines. Every method throws or rejects with
 * DeviceError once the device is lost (code `device-lost`) or disposed, and once after an uncaptured error.
 */
export interface Device {
  readonly gpu: GPUDevice;
  readonly caps: Caps;
  /** Driver name and version as the adapter tells them: part of every cache key for measured results. */
  readonly driver: string;
  /** One line for people when a CPU does a GPU's work and nobody asked for that. */
  readonly notice: string | undefined;
  readonly lost: Promise<GPUDeviceLostInfo>;
  readonly memory: DeviceMemory;

  /** Zero-filled. Throws where `byteLength` is no positive multiple of 4 or over the adapter's limit. */
  createBuffer(options: BufferOptions): GPUBuffer;
  /** Frees a buffer that `createBuffer` made and takes it off `memory`; passes that were submitted still finish. */
  destroyBuffer(buffer: GPUBuffer): void;
  /** Copies out through a pooled staging buffer; any offset and length within the buffer will do. */
  readBuffer(buffer: GPUBuffer, offsetBytes: number, byteLength: number): Promise<ArrayBuffer>;

  /**
   * The pipeline for this text, layout and constants, made once. `label` (kernel and tuning) leads every
   * error, and a shader that does not compile is shown with its lines.
   */
  computePipeline(
    label: string,
    wgsl: string,
    layout?: GPUPipelineLayout | 'auto',
    constants?: Readonly<Record<string, number>>,
  ): Promise<GPUComputePipeline>;
  /** How many pipelines were made so far. */
  readonly pipelineCount: number;

  /** Runs `fn` (synchronously: it encodes and submits) and rejects with what WebGPU found wrong in it. */
  withErrorScope<T>(label: string, fn: () => T): Promise<T>;
  /** Follows a WebGPU promise; rejects with DeviceError when it fails or the device goes away first. */
  guard<T>(where: string, promise: Promise<T>): Promise<T>;
  /** Throws when the device is lost or disposed, or an uncaptured error was not reported yet. */
  check(where: string): void;
  /** Settles when the GPU has done all that was submitted. Throws DeviceError for a fault or a loss on the way. */
  onSubmittedWorkDone(): Promise<void>;
  /** Frees everything; idempotent. Throws an uncaptured error that no call has reported yet. */
  dispose(): void;
}

export interface DeviceParts {
  readonly gpu: GPUDevice;
  readonly caps: Caps;
  readonly driver: string;
  readonly notice?: string | undefined;
  /** Rests that leave a CPU adapter its cores, where waiting would take one. */
  readonly createPause?: CreatePause | undefined;
}

/** Wraps a GPUDevice; from now on its lifetime is this Device's. */
export function createDevice({ gpu, caps, driver, notice, createPause }: DeviceParts): Device {
  const faults = watchFaults(gpu, caps.adapterName, caps.kind === 'software' ? createPause : undefined);
  const buffers = createBufferAllocator(gpu, faults, caps.limits.maxBufferSize);
  const pipelines = createPipelineCache(gpu, faults);
  let isDisposed = false;

  return {
    gpu,
    caps,
    driver,
    notice,
    lost: gpu.lost,
    memory: buffers.memory,
    createBuffer: buffers.createBuffer,
    destroyBuffer: buffers.destroyBuffer,
    readBuffer: buffers.readBuffer,
    computePipeline: pipelines.computePipeline,
    get pipelineCount() {
      return pipelines.size;
    },
    withErrorScope: faults.scope,
    guard: faults.guard,
    check: faults.check,
    async onSubmittedWorkDone() {
      faults.check('onSubmittedWorkDone');
      await faults.guard('onSubmittedWorkDone', gpu.queue.onSubmittedWorkDone());
      faults.check('onSubmittedWorkDone');
    },
    dispose() {
      if (isDisposed) return;
      isDisposed = true;
      const unreported = faults.takeReported();
      faults.close(
        new DeviceError(
          `device "${caps.adapterName}" is disposed; expected a live one. Request a new device.`,
        ),
      );
      buffers.dispose();
      pipelines.clear();
      gpu.destroy();
      if (unreported) throw unreported;
    },
  };
}
