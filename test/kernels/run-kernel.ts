import { DeviceError, invariant } from '../../src/core/errors.ts';
import { bufferUsage, shaderStage } from '../../src/device/buffer-usage.ts';
import type { Device } from '../../src/device/gpu-device.ts';
import {
  type Kernel,
  kernelLabel,
  kernelText,
  type OpCall,
  prepareCall,
  presentBindings,
  type TuningPoint,
  type TuningSpace,
} from '../../src/kernels/kernel.ts';
import type { Named, TensorType } from '../../src/ops/op.ts';
import { packParams, paramsByteLength } from '../../src/wgsl/params.ts';
import { packTensor, poisonTensor, unpackTensor } from './pack-tensor.ts';

const STORAGE = bufferUsage.storage | bufferUsage.copySrc | bufferUsage.copyDst;

/**
 * Runs one kernel once, without graph, compiler or session, and reads all outputs of `call` back.
 * Outputs start poisoned, except one that updates the input of its own name in place.
 * Throws DeviceError with the kernel's label for everything WebGPU finds wrong.
 */
export async function runKernel(
  device: Device,
  kernel: Kernel,
  tuning: TuningPoint<TuningSpace>,
  call: OpCall,
  inputs: Named<ArrayLike<number>>,
): Promise<Named<Float64Array>> {
  const label = kernelLabel(kernel, tuning);
  const prepared = prepareCall(kernel, call);
  if (typeof prepared === 'string') throw new DeviceError(`${label}: ${prepared}`);
  const bindings = presentBindings(kernel, prepared);
  const { group, pipelineLayout } = layoutsOf(
    device,
    bindings.map(({ access }) => (access === 'read' ? 'read-only-storage' : 'storage')),
  );
  const pipeline = await device.computePipeline(label, kernelText(kernel, prepared, tuning), pipelineLayout);

  const held: GPUBuffer[] = [];
  const upload = (name: string, bytes: Uint8Array<ArrayBuffer>, usage: number): GPUBuffer => {
    const buffer = device.createBuffer({ label: `${label} ${name}`, byteLength: bytes.byteLength, usage });
    held.push(buffer);
    device.gpu.queue.writeBuffer(buffer, 0, bytes);
    return buffer;
  };
  try {
    const params = new Uint8Array(paramsByteLength(kernel.params));
    packParams(kernel.params, prepared.params, new DataView(params.buffer), 0);
    const buffers = new Map<string, GPUBuffer>();
    for (const { name } of bindings) {
      const values = inputs[name];
      const type = call.inputs[name] ?? call.outputs[name];
      invariant(type, `${label} binds "${name}", which the call lacks`);
      const bytes = values ? packTensor(type, values) : poisonTensor(type);
      buffers.set(name, upload(name, bytes, STORAGE));
    }
    const uniform = upload('params', params, bufferUsage.uniform | bufferUsage.copyDst);
    const entries = [uniform, ...buffers.values()].map((buffer, binding) => ({
      binding,
      resource: { buffer },
    }));
    await device.withErrorScope(label, () => {
      const encoder = device.gpu.createCommandEncoder({ label });
      const pass = encoder.beginComputePass({ label });
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, device.gpu.createBindGroup({ layout: group, entries }));
      pass.dispatchWorkgroups(...kernel.dispatch(prepared, tuning));
      pass.end();
      device.gpu.queue.submit([encoder.finish()]);
    });
    return await readOutputs(device, call.outputs, buffers);
  } finally {
    for (const buffer of held) device.destroyBuffer(buffer);
  }
}

async function readOutputs(
  device: Device,
  outputs: Named<TensorType>,
  buffers: ReadonlyMap<string, GPUBuffer>,
): Promise<Named<Float64Array>> {
  const values: Record<string, Float64Array> = {};
  for (const [name, type] of Object.entries(outputs)) {
    const buffer = buffers.get(name);
    invariant(buffer, `output "${name}" is bound to nothing`);
    values[name] = unpackTensor(type, await device.readBuffer(buffer, 0, buffer.size));
  }
  return values;
}

interface Layouts {
  readonly group: GPUBindGroupLayout;
  readonly pipelineLayout: GPUPipelineLayout;
}

const knownLayouts = new WeakMap<Device, Map<string, Layouts>>();

/** One layout object per signature, since the pipeline cache goes by object. */
function layoutsOf(device: Device, types: readonly ('read-only-storage' | 'storage')[]): Layouts {
  const known = knownLayouts.get(device) ?? new Map<string, Layouts>();
  knownLayouts.set(device, known);
  const label = types.join();
  const found = known.get(label);
  if (found) return found;
  const group = device.gpu.createBindGroupLayout({
    label,
    entries: (['uniform', ...types] as const).map((type, binding) => ({
      binding,
      visibility: shaderStage.compute,
      buffer: { type },
    })),
  });
  const made = { group, pipelineLayout: device.gpu.createPipelineLayout({ bindGroupLayouts: [group] }) };
  known.set(label, made);
  return made;
}
