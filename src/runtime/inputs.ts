import type { Plan, PlanTensor } from '../compile/plan.ts';
import { InputError, invariant } from '../core/errors.ts';
import type { Device } from '../device/gpu-device.ts';
import { checkHostArray, type HostArray, toGpuBytes } from './host-array.ts';

/** Values that are on the GPU already, e.g. an output of another session: `byteLength` bytes at `offset`. */
export interface DeviceTensor {
  readonly buffer: GPUBuffer;
  readonly offset: number;
  readonly byteLength: number;
}

/** What a run takes for an input: values on the host, or a tensor that is on the GPU already. */
export type InputValue = HostArray | DeviceTensor;

type Inputs = Readonly<Record<string, InputValue>>;

export interface InputWriter {
  /** Throws InputError unless `inputs` holds every input of the plan and no other, each of the right size. */
  check(inputs: Inputs): void;
  /** Writes values that were checked; those on the GPU are copied within `encoder`. */
  write(inputs: Inputs, encoder: GPUCommandEncoder): void;
}

export function createInputWriter(
  device: Device,
  plan: Plan,
  buffers: readonly GPUBuffer[],
  label: string,
): InputWriter {
  const slots = [...plan.inputs].map(([name, tensor]) => {
    const buffer = buffers[tensor.binding.buffer];
    invariant(buffer, `input "${name}" of ${label} has no buffer`);
    return { name, tensor, buffer };
  });
  return {
    check(inputs) {
      for (const name in inputs) {
        if (!plan.inputs.has(name)) throw unknownInput(name, plan, label);
      }
      for (const { name, tensor } of slots) checkInput(inputs[name], name, tensor, label);
    },
    write(inputs, encoder) {
      for (const { name, tensor, buffer } of slots) {
        const value = inputs[name];
        invariant(value, `input "${name}" of ${label} was not checked`);
        if (ArrayBuffer.isView(value)) {
          device.gpu.queue.writeBuffer(buffer, 0, toGpuBytes(value, tensor.dtype));
        } else {
          encoder.copyBufferToBuffer(value.buffer, value.offset, buffer, 0, value.byteLength);
        }
      }
    },
  };
}

function checkInput(value: InputValue | undefined, name: string, tensor: PlanTensor, label: string): void {
  const where = `${label}: input "${name}"`;
  if (value === undefined) {
    throw new InputError(
      `${where} is missing; expected ${tensor.dtype} values of shape [${tensor.shape.join(', ')}].`,
    );
  }
  if (ArrayBuffer.isView(value)) {
    checkHostArray(value, tensor, where);
  } else if (value.byteLength !== tensor.binding.byteLength) {
    throw new InputError(
      `${where}: got ${value.byteLength} bytes on the GPU; expected ${tensor.binding.byteLength} for ${tensor.dtype} [${tensor.shape.join(', ')}].`,
    );
  }
}

function unknownInput(name: string, plan: Plan, label: string): InputError {
  const known = [...plan.inputs.keys()].join(', ');
  return new InputError(
    `${label}: there is no input "${name}"; expected ${plan.inputs.size ? known : 'none'}.`,
  );
}
