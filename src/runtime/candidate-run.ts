import type { Candidate } from '../compile/choose.ts';
import type { IrNode } from '../compile/ir.ts';
import { storageByteLength } from '../core/dtype.ts';
import { invariant } from '../core/errors.ts';
import { dim } from '../core/shape.ts';
import { bufferUsage } from '../device/buffer-usage.ts';
import type { Device } from '../device/gpu-device.ts';
import { kernelLabel, kernelText, presentBindings } from '../kernels/kernel.ts';
import { packParams, paramsByteLength } from '../wgsl/params.ts';
import { bindingLayout } from './bindings.ts';

/** A kernel at one tuning point, bound to buffers that nothing else uses. */
export interface CandidateRun {
  /** Wall time of one of `repeats` dispatches in one pass, until the device has done them. */
  time(repeats: number): Promise<number>;
  dispose(): void;
}

/** A vec4 of f32: no binding of an array may be smaller than its element. */
const LEAST_BYTES = 16;

/**
 * A buffer of zeros for every tensor of a call, by name; the caller destroys them. Caches alone are full and spans are of
 * all keys, since attention reads no more than they say.
 */
export function callBuffers(device: Device, { op, inputs, outputs }: IrNode): ReadonlyMap<string, GPUBuffer> {
  const buffers = new Map<string, GPUBuffer>();
  const usage = bufferUsage.storage | bufferUsage.copyDst;
  for (const [name, { dtype, shape }] of Object.entries({ ...inputs, ...outputs })) {
    const byteLength = Math.max(LEAST_BYTES, 4 * Math.ceil(storageByteLength(dtype, shape) / 4));
    const label = `tune ${op.name} ${name}`;
    buffers.set(name, device.createBuffer({ label, byteLength, usage }));
  }
  const { q, k } = inputs;
  if (q && k) {
    const [queries, keys] = [dim(q.shape, 1), dim(k.shape, 1)];
    fill(device, buffers.get('past'), [Math.max(0, keys - queries)]);
    fill(device, buffers.get('span'), [0, keys]);
  }
  return buffers;
}

function fill(device: Device, buffer: GPUBuffer | undefined, values: readonly number[]): void {
  if (!buffer) return;
  const words = Uint32Array.from({ length: buffer.size / 4 }, (_, i) => values[i % values.length] ?? 0);
  device.gpu.queue.writeBuffer(buffer, 0, words);
}

/** Makes the pipeline and binds it. Throws DeviceError naming the kernel. */
export async function prepareCandidate(
  device: Device,
  { kernel, tuning, call, workgroups }: Candidate,
  buffers: ReadonlyMap<string, GPUBuffer>,
): Promise<CandidateRun> {
  const label = kernelLabel(kernel, tuning);
  const bindings = presentBindings(kernel, call);
  const layout = bindingLayout(
    device,
    bindings.map(({ access }) => (access === 'read' ? 'read-only-storage' : 'storage')),
  );
  const pipeline = await device.computePipeline(label, kernelText(kernel, call, tuning), layout.pipeline);
  const bytes = new Uint8Array(paramsByteLength(kernel.params));
  packParams(kernel.params, call.params, new DataView(bytes.buffer), 0);
  const params = device.createBuffer({
    label: `tune ${label}`,
    byteLength: bytes.byteLength,
    usage: bufferUsage.uniform | bufferUsage.copyDst,
  });
  device.gpu.queue.writeBuffer(params, 0, bytes);
  const tensors = bindings.map(({ name }) => {
    const buffer = buffers.get(name);
    invariant(buffer, `${label} binds "${name}", which the call lacks`);
    return buffer;
  });
  const group = device.gpu.createBindGroup({
    label,
    layout: layout.group,
    entries: [params, ...tensors].map((buffer, binding) => ({ binding, resource: { buffer } })),
  });
  return {
    async time(repeats) {
      const encoder = device.gpu.createCommandEncoder({ label });
      const pass = encoder.beginComputePass({ label });
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, group);
      for (let i = 0; i < repeats; i++) pass.dispatchWorkgroups(...workgroups);
      pass.end();
      const commands = encoder.finish();
      const startedMs = performance.now();
      device.gpu.queue.submit([commands]);
      await device.onSubmittedWorkDone();
      return (performance.now() - startedMs) / repeats;
    },
    dispose: () => device.destroyBuffer(params),
  };
}
