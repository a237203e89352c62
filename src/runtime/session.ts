import type { Plan, PlanTensor } from '../compile/plan.ts';
import { InputError, invariant } from '../core/errors.ts';
import { bufferUsage } from '../device/buffer-usage.ts';
import type { Device } from '../device/gpu-device.ts';
import { createBindGroups, createPipelines } from './bindings.ts';
import type { HostArray } from './host-array.ts';
import { createInputWriter, type DeviceTensor, type InputValue } from './inputs.ts';
import { type DispatchTime, profileDispatches } from './profile.ts';
import { createReadBack, type ReadTarget } from './read-back.ts';
import type { StateStore } from './state-store.ts';
import type { WeightStore } from './weight-store.ts';

/** The stores a session takes weights and states from, and what is told while it is made. */
export interface SessionOptions {
  readonly weights: WeightStore;
  readonly states: StateStore;
  /** After every pipeline: how many of the plan's are ready. */
  readonly onProgress?: ((pipelinesDone: number, pipelinesTotal: number) => void) | undefined;
  /** For labels and errors: `decode`. */
  readonly label?: string | undefined;
}

/** A plan with its buffers, ready to be run any number of times. Calls are queued in the order they are made. */
export interface Session {
  readonly plan: Plan;
  /**
   * Writes the inputs and submits all dispatches in one pass; returns at once. Every input must be given:
   * f32 and f16 as Float32Array, i32 as Int32Array, u32 as Uint32Array, or an output of another session.
   * Throws InputError for a missing or unknown name, a wrong length or array type.
   */
  run(inputs: Readonly<Record<string, InputValue>>): void;
  /** `run`, with the values of `outputs` copied out in the same submit. Further runs may be submitted meanwhile. */
  runAndRead(
    inputs: Readonly<Record<string, InputValue>>,
    outputs: readonly string[],
  ): Promise<Readonly<Record<string, HostArray>>>;
  /** Values of one output after the latest run; f16 comes widened. Throws InputError for an unknown name. */
  read(output: string): Promise<HostArray>;
  /** An output where it lies, to be an input of another session on the same device. Valid until the next run. */
  output(name: string): DeviceTensor;
  /** Runs once with every dispatch timed on the GPU. Throws UnsupportedError without timestamp-query. */
  profile(inputs: Readonly<Record<string, InputValue>>): Promise<readonly DispatchTime[]>;
  /** Frees what the session alone holds, constants among it; weights and states belong to their stores. */
  dispose(): void;
}

/**
 * Makes all pipelines of `plan` together while its weights load, its buffers and its bind groups.
 * Throws DeviceError naming the kernel, WeightError naming the tensor; nothing but what the stores hold stays
 * allocated then.
 */
export async function createSession(device: Device, plan: Plan, options: SessionOptions): Promise<Session> {
  // Before loading: a session that is disposed of meanwhile must not take shared constants with it.
  const release = options.weights.retain(plan);
  try {
    return await prepareSession(device, plan, options, release);
  } catch (error) {
    release();
    throw error;
  }
}

async function prepareSession(
  device: Device,
  plan: Plan,
  options: SessionOptions,
  release: () => void,
): Promise<Session> {
  const { weights, states, onProgress, label = 'session' } = options;
  // Settled together: an error must not leave the other half running behind the caller's back.
  const [pipelines, loaded] = await Promise.allSettled([
    createPipelines(device, plan, onProgress),
    weights.load([plan]),
  ]);
  if (pipelines.status === 'rejected') throw pipelines.reason;
  if (loaded.status === 'rejected') throw loaded.reason;
  states.add(plan);

  const owned: GPUBuffer[] = [];
  try {
    const buffers = plan.buffers.map((buffer) => {
      if (buffer.kind === 'weight' || buffer.kind === 'constant') return weights.buffer(buffer);
      if (buffer.kind === 'state') return states.buffer(buffer);
      const usage = bufferUsage.storage | bufferUsage.copyDst | bufferUsage.copySrc;
      const own = device.createBuffer({
        label: `${label} ${buffer.label}`,
        byteLength: buffer.byteLength,
        usage,
      });
      owned.push(own);
      return own;
    });
    const params = device.createBuffer({
      label: `${label} params`,
      byteLength: plan.params.byteLength,
      usage: bufferUsage.uniform | bufferUsage.copyDst,
    });
    owned.push(params);
    device.gpu.queue.writeBuffer(params, 0, plan.params as Uint8Array<ArrayBuffer>);
    const groups = await device.withErrorScope(`${label}: bind groups`, () =>
      createBindGroups(device, plan, params, buffers),
    );
    return assembleSession({
      device,
      plan,
      label,
      buffers,
      owned,
      pipelines: pipelines.value,
      groups,
      release,
    });
  } catch (error) {
    for (const buffer of owned) device.destroyBuffer(buffer);
    throw error;
  }
}

interface SessionParts {
  readonly device: Device;
  readonly plan: Plan;
  readonly label: string;
  /** One per buffer of the plan. */
  readonly buffers: readonly GPUBuffer[];
  /** The buffers to destroy with the session. */
  readonly owned: readonly GPUBuffer[];
  readonly pipelines: readonly GPUComputePipeline[];
  readonly groups: readonly GPUBindGroup[];
  /** Lets go of the plan's constants. */
  readonly release: () => void;
}

function assembleSession(parts: SessionParts): Session {
  const { device, plan, label, buffers, owned, pipelines, groups, release } = parts;
  const writer = createInputWriter(device, plan, buffers, label);
  const readBack = createReadBack(device, label);
  const steps = plan.dispatches.map((dispatch, i) => {
    const pipeline = pipelines[dispatch.pipeline];
    const group = groups[i];
    invariant(pipeline && group, `dispatch ${i} of ${label} is incomplete`);
    return { pipeline, group, workgroups: dispatch.workgroups, label: dispatch.label };
  });
  let disposed = false;

  const begin = (inputs?: Readonly<Record<string, InputValue>>): GPUCommandEncoder => {
    if (disposed) throw new InputError(`${label}: is disposed; expected a live session.`);
    device.check(label);
    if (inputs) writer.check(inputs);
    const encoder = device.gpu.createCommandEncoder({ label });
    if (inputs) writer.write(inputs, encoder);
    return encoder;
  };
  const encodeSteps = (encoder: GPUCommandEncoder): void => {
    const pass = encoder.beginComputePass({ label });
    for (const { pipeline, group, workgroups } of steps) {
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, group);
      pass.dispatchWorkgroups(workgroups[0], workgroups[1], workgroups[2]);
    }
    pass.end();
  };
  const submit = (encoder: GPUCommandEncoder): void => device.gpu.queue.submit([encoder.finish()]);
  const target = (name: string): ReadTarget => {
    const tensor = planOutput(plan, name, label);
    const buffer = buffers[tensor.binding.buffer];
    invariant(buffer, `output "${name}" of ${label} has no buffer`);
    return { name, tensor, buffer };
  };

  return {
    plan,
    run(inputs) {
      const encoder = begin(inputs);
      encodeSteps(encoder);
      submit(encoder);
    },
    async runAndRead(inputs, outputs) {
      const targets = outputs.map(target);
      const encoder = begin(inputs);
      encodeSteps(encoder);
      const values = readBack.copy(encoder, targets);
      submit(encoder);
      return values();
    },
    async read(output) {
      const targets = [target(output)];
      const encoder = begin();
      const values = readBack.copy(encoder, targets);
      submit(encoder);
      const value = (await values())[output];
      invariant(value, `output "${output}" of ${label} was not read`);
      return value;
    },
    output(name) {
      const { tensor, buffer } = target(name);
      return { buffer, offset: tensor.binding.offset, byteLength: tensor.binding.byteLength };
    },
    profile(inputs) {
      return profileDispatches(device, plan, steps, () => begin(inputs));
    },
    dispose() {
      if (disposed) return;
      disposed = true;
      readBack.dispose();
      for (const buffer of owned) device.destroyBuffer(buffer);
      release();
    },
  };
}

function planOutput(plan: Plan, name: string, label: string): PlanTensor {
  const tensor = plan.outputs.get(name);
  if (tensor) return tensor;
  const known = [...plan.outputs.keys()];
  throw new InputError(`${label}: there is no output "${name}"; expected one of ${known.join(', ')}.`);
}
