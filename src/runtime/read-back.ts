import type { PlanTensor } from '../compile/plan.ts';
import { alignUp } from '../compile/plan-memory.ts';
import { bufferUsage, mapMode } from '../device/buffer-usage.ts';
import type { Device } from '../device/gpu-device.ts';
import { fromGpuBytes, type HostArray } from './host-array.ts';

/** An output to be read, and the buffer it lies in. */
export interface ReadTarget {
  readonly name: string;
  readonly tensor: PlanTensor;
  readonly buffer: GPUBuffer;
}

/** Staging buffers used over and over, so that reading allocates nothing once as many are there as overlap. */
export interface ReadBack {
  /** Adds copies of `targets` to `encoder`; call the result after submit for the values by name. */
  copy(
    encoder: GPUCommandEncoder,
    targets: readonly ReadTarget[],
  ): () => Promise<Readonly<Record<string, HostArray>>>;
  dispose(): void;
}

/** Mapped offsets are multiples of 8. */
const MAP_ALIGNMENT = 8;

export function createReadBack(device: Device, label: string): ReadBack {
  const idle: GPUBuffer[] = [];
  let disposed = false;

  const take = (byteLength: number): GPUBuffer => {
    const found = idle.findIndex(({ size }) => size >= byteLength);
    const [reused] = found >= 0 ? idle.splice(found, 1) : [];
    if (reused) return reused;
    const usage = bufferUsage.mapRead | bufferUsage.copyDst;
    return device.createBuffer({ label: `${label} read-back`, byteLength, usage });
  };
  const giveBack = (staging: GPUBuffer): void => {
    if (disposed) device.destroyBuffer(staging);
    else idle.push(staging);
  };

  return {
    copy(encoder, targets) {
      const offsets: number[] = [];
      let byteLength = 0;
      for (const { tensor } of targets) {
        offsets.push(byteLength);
        byteLength += alignUp(tensor.binding.byteLength, MAP_ALIGNMENT);
      }
      const staging = take(Math.max(MAP_ALIGNMENT, byteLength));
      targets.forEach(({ tensor, buffer }, i) => {
        const { offset, byteLength } = tensor.binding;
        encoder.copyBufferToBuffer(buffer, offset, staging, offsets[i] ?? 0, byteLength);
      });
      const where = `${label}: read ${targets.map(({ name }) => name).join(', ')}`;
      return async () => {
        try {
          await device.guard(where, staging.mapAsync(mapMode.read));
          device.check(where);
          const values: Record<string, HostArray> = {};
          targets.forEach(({ name, tensor }, i) => {
            const begin = offsets[i] ?? 0;
            const mapped = staging.getMappedRange(begin, tensor.binding.byteLength);
            values[name] = fromGpuBytes(mapped.slice(0), tensor);
          });
          staging.unmap();
          return values;
        } finally {
          giveBack(staging);
        }
      };
    },
    dispose() {
      disposed = true;
      for (const staging of idle.splice(0)) device.destroyBuffer(staging);
    },
  };
}
