import { DTYPE_BYTES, type DType } from '../core/dtype.ts';
import type { Device } from '../device/gpu-device.ts';
import type { TensorChunk } from '../weights/chunks.ts';
import { convertChunk, float32ToFloat16Bits } from '../weights/convert.ts';
import { SAFETENSORS_DTYPE_BITS } from '../weights/safetensors-dtype.ts';

/** Puts chunks of checkpoint tensors into GPU buffers, converting on the way. */
export interface WeightUploader {
  upload(chunk: TensorChunk, dtype: DType, buffer: GPUBuffer): Promise<void>;
  finish(): Promise<void>;
  dispose(): void;
}

export function createWeightUploader(device: Device): WeightUploader {
  return {
    async upload({ entry, offsetBytes, bytes }, dtype, buffer) {
      const where = `${entry.source.name}: tensor "${entry.name}"`;
      const elementOffset = (offsetBytes * 8) / SAFETENSORS_DTYPE_BITS[entry.dtype];
      const values =
        dtype === 'f16'
          ? padToWords(float32ToFloat16Bits(convertChunk(bytes, entry.dtype, 'f32', where)))
          : convertChunk(bytes, entry.dtype, dtype, where);
      const target = elementOffset * DTYPE_BYTES[dtype];
      device.gpu.queue.writeBuffer(buffer, target, values as ArrayBufferView<ArrayBuffer>);
      // writeBuffer copies into memory that is freed when the GPU is done: waiting keeps that to one chunk.
      await device.onSubmittedWorkDone();
    },
    async finish() {
      await device.onSubmittedWorkDone();
    },
    dispose() {},
  };
}

function padToWords(halves: Uint16Array): Uint16Array {
  if (halves.length % 2 === 0) return halves;
  const padded = new Uint16Array(halves.length + 1);
  padded.set(halves);
  return padded;
}
