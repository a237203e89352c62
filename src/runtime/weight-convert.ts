import { type DType, isFloat } from '../core/dtype.ts';
import { invariant } from '../core/errors.ts';
import { bufferUsage } from '../device/buffer-usage.ts';
import type { Device } from '../device/gpu-device.ts';
import { convertWeightPairs } from '../kernels/convert-weight-pairs.ts';
import { kernelLabel, kernelText, prepareCall, tuningPoints } from '../kernels/kernel.ts';
import { WEIGHT_FORMAT_BYTES, type WeightFormat } from '../ops/convert-weight.ts';
import type { TensorType } from '../ops/op.ts';
import type { SafetensorsDType } from '../weights/safetensors-dtype.ts';
import { packParams, paramsByteLength } from '../wgsl/params.ts';

/** Whole elements of a tensor as they lie in the file. */
export interface RawElements {
  /** Padded to whole words. */
  readonly words: Uint8Array<ArrayBuffer>;
  readonly byteLength: number;
  /** Element of the tensor that the first one is; even. */
  readonly elementOffset: number;
}

export interface WeightConverter {
  /** Converts `elements` of format `from` into their place in `buffer`, in submission order. */
  convert(elements: RawElements, from: WeightFormat, weight: TensorType, buffer: GPUBuffer): Promise<void>;
  dispose(): void;
}

/** Whether the GPU converts this pair. */
export const isConvertible = (from: SafetensorsDType, to: DType): from is WeightFormat =>
  isFloat(to) && Object.hasOwn(WEIGHT_FORMAT_BYTES, from);

/**
 * Converts through one staging buffer of `maxChunkBytes`: writes and dispatches of one queue run in order, so the next
 * chunk cannot overtake the last.
 */
export function createWeightConverter(device: Device, maxChunkBytes: number): WeightConverter {
  const kernel = convertWeightPairs;
  const [tuning = {}] = tuningPoints(kernel.tuning);
  const params = new DataView(new ArrayBuffer(paramsByteLength(kernel.params)));
  const buffers: { readonly words: GPUBuffer; readonly params: GPUBuffer }[] = [];

  const staging = () => {
    const [known] = buffers;
    if (known) return known;
    const made = {
      words: device.createBuffer({
        label: 'weight chunk',
        byteLength: maxChunkBytes,
        usage: bufferUsage.storage | bufferUsage.copyDst,
      }),
      params: device.createBuffer({
        label: 'weight chunk params',
        byteLength: params.byteLength,
        usage: bufferUsage.uniform | bufferUsage.copyDst,
      }),
    };
    buffers.push(made);
    return made;
  };

  return {
    async convert({ words, byteLength, elementOffset }, from, weight, buffer) {
      const call = prepareCall(kernel, {
        inputs: { words: { dtype: 'u32', shape: [words.byteLength / 4] }, weight },
        outputs: { weight },
        attrs: { from, count: byteLength / WEIGHT_FORMAT_BYTES[from], offset: elementOffset },
      });
      invariant(typeof call !== 'string', `${kernel.name} refuses a chunk: ${call}`);
      const pipeline = await device.computePipeline(
        kernelLabel(kernel, tuning),
        kernelText(kernel, call, tuning),
      );
      const { words: wordsBuffer, params: paramsBuffer } = staging();
      packParams(kernel.params, call.params, params, 0);
      device.gpu.queue.writeBuffer(paramsBuffer, 0, params.buffer);
      device.gpu.queue.writeBuffer(wordsBuffer, 0, words);
      const entries = [paramsBuffer, wordsBuffer, buffer].map((bound, binding) => ({
        binding,
        resource: { buffer: bound },
      }));
      const group = device.gpu.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries });
      const encoder = device.gpu.createCommandEncoder({ label: 'convert weight' });
      const pass = encoder.beginComputePass({ label: 'convert weight' });
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, group);
      pass.dispatchWorkgroups(...kernel.dispatch(call, tuning));
      pass.end();
      device.gpu.queue.submit([encoder.finish()]);
    },
    dispose() {
      for (const { words, params: paramsBuffer } of buffers.splice(0)) {
        device.destroyBuffer(words);
        device.destroyBuffer(paramsBuffer);
      }
    },
  };
}
