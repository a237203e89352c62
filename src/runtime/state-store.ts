import type { Plan, PlanBuffer } from '../compile/plan.ts';
import { InputError, invariant } from '../core/errors.ts';
import { bufferUsage } from '../device/buffer-usage.ts';
import type { Device } from '../device/gpu-device.ts';

type StateBuffer = Extract<PlanBuffer, { kind: 'state' }>;

/** Buffers that keep their values between runs, shared by name between the sessions made with this store. */
export interface StateStore {
  /** Makes the states of `plan` that are not there yet, zero-filled. Throws InputError where sizes differ. */
  add(plan: Plan): void;
  /** The buffer of a state. Throws an internal error where no plan that has it was added. */
  buffer(state: StateBuffer): GPUBuffer;
  /** Sets a state, in submission order. Throws InputError for a name that is not there or another size. */
  write(name: string, values: Float32Array): void;
  /** A state's f32 values as they are after all that was submitted so far. Throws InputError for an unknown name. */
  read(name: string): Promise<Float32Array>;
  /** Sets every state, or the one named, to zero, in submission order. */
  reset(name?: string): void;
  readonly byteLength: number;
  /** Frees the states; sessions that use them are of no use then. */
  dispose(): void;
}

/** A store without states; sessions add those of their plans, zero-filled. */
export function createStateStore(device: Device): StateStore {
  const buffers = new Map<string, GPUBuffer>();

  const addState = ({ name, label, byteLength }: StateBuffer): void => {
    const known = buffers.get(name);
    if (!known) {
      const usage = bufferUsage.storage | bufferUsage.copyDst | bufferUsage.copySrc;
      buffers.set(name, device.createBuffer({ label, byteLength, usage }));
    } else if (known.size !== byteLength) {
      throw new InputError(
        `state "${name}": one plan has ${known.size} bytes, another ${byteLength}; expected the same. Compile both for one cache length and dtype.`,
      );
    }
  };

  const known = (name: string): GPUBuffer => {
    const buffer = buffers.get(name);
    if (buffer) return buffer;
    throw new InputError(
      `state "${name}": is not there; expected one of ${buffers.size}, such as "${[...buffers.keys()][0] ?? ''}".`,
    );
  };

  return {
    add(plan) {
      for (const buffer of plan.buffers) if (buffer.kind === 'state') addState(buffer);
    },
    buffer({ name }) {
      const buffer = buffers.get(name);
      invariant(buffer, `state "${name}" was not added`);
      return buffer;
    },
    write(name, values) {
      const { size } = known(name);
      if (values.byteLength !== size) {
        throw new InputError(
          `state "${name}": got ${values.byteLength} bytes to write; expected ${size}. Give one value per element.`,
        );
      }
      device.gpu.queue.writeBuffer(known(name), 0, values as Float32Array<ArrayBuffer>);
    },
    async read(name) {
      const buffer = known(name);
      return new Float32Array(await device.readBuffer(buffer, 0, buffer.size));
    },
    reset(name) {
      const encoder = device.gpu.createCommandEncoder({ label: 'reset states' });
      for (const [own, buffer] of buffers)
        if (name === undefined || own === name) encoder.clearBuffer(buffer);
      device.gpu.queue.submit([encoder.finish()]);
    },
    get byteLength() {
      return [...buffers.values()].reduce((sum, { size }) => sum + size, 0);
    },
    dispose() {
      for (const buffer of buffers.values()) device.destroyBuffer(buffer);
      buffers.clear();
    },
  };
}
