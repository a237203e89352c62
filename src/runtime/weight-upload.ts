import { DTYPE_BYTES, type DType } from '../core/dtype.ts';
import { elementCount } from '../core/shape.ts';
import type { Device } from '../device/gpu-device.ts';
import { DEFAULT_CHUNK_BYTES, type TensorChunk } from '../weights/chunks.ts';
import { type ConvertTarget, convertChunk, float32ToFloat16Bits } from '../weights/convert.ts';
import { SAFETENSORS_DTYPE_BITS, type SafetensorsDType } from '../weights/safetensors-dtype.ts';
import { createWeightConverter, isConvertible } from './weight-convert.ts';

/** Puts chunks of checkpoint tensors into GPU buffers, converting on the way; finished work frees its memory. */
export interface WeightUploader {
  upload(chunk: TensorChunk, dtype: DType, buffer: GPUBuffer): Promise<void>;
  /** Waits until all is in place. Throws what WebGPU found wrong. */
  finish(): Promise<void>;
  dispose(): void;
}

/** Formats the GPU holds as they are. */
const SAME_BYTES: Readonly<Partial<Record<SafetensorsDType, DType>>> = {
  F32: 'f32',
  F16: 'f16',
  I32: 'i32',
  U32: 'u32',
};

/** What the queue may hold copies of before the next chunk waits: two chunks, so that copying overlaps reading. */
const MAX_BYTES_IN_FLIGHT = 2 * DEFAULT_CHUNK_BYTES;

/** `maxChunkBytes`: the most bytes of one chunk, a multiple of 4. */
export function createWeightUploader(device: Device, maxChunkBytes: number): WeightUploader {
  const converter = createWeightConverter(device, maxChunkBytes);
  let bytesInFlight = 0;

  const write = async ({ entry, offsetBytes, bytes }: TensorChunk, dtype: DType, buffer: GPUBuffer) => {
    const elementOffset = (offsetBytes * 8) / SAFETENSORS_DTYPE_BITS[entry.dtype];
    const target = elementOffset * DTYPE_BYTES[dtype];
    if (SAME_BYTES[entry.dtype] === dtype) {
      device.gpu.queue.writeBuffer(buffer, target, inWholeWords(bytes));
      return;
    }
    if (isConvertible(entry.dtype, dtype)) {
      const weight = { dtype, shape: [elementCount(entry.shape)] };
      await converter.convert(
        { words: inWholeWords(bytes), byteLength: bytes.byteLength, elementOffset },
        entry.dtype,
        weight,
        buffer,
      );
      return;
    }
    const where = `${entry.source.name}: tensor "${entry.name}"`;
    const cpuTarget: ConvertTarget = dtype === 'f16' ? 'f32' : dtype;
    const values = convertChunk(bytes, entry.dtype, cpuTarget, where);
    const stored = dtype === 'f16' ? float32ToFloat16Bits(values as Float32Array) : values;
    const raw = new Uint8Array(stored.buffer, stored.byteOffset, stored.byteLength);
    device.gpu.queue.writeBuffer(buffer, target, inWholeWords(raw));
  };

  return {
    async upload(chunk, dtype, buffer) {
      await write(chunk, dtype, buffer);
      bytesInFlight += chunk.bytes.byteLength;
      if (bytesInFlight < MAX_BYTES_IN_FLIGHT) return;
      await device.onSubmittedWorkDone();
      bytesInFlight = 0;
    },
    async finish() {
      await device.onSubmittedWorkDone();
    },
    dispose: converter.dispose,
  };
}

/** WebGPU copies whole words. */
function inWholeWords(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  if (bytes.byteLength % 4 === 0) return bytes as Uint8Array<ArrayBuffer>;
  const padded = new Uint8Array(Math.ceil(bytes.byteLength / 4) * 4);
  padded.set(bytes);
  return padded;
}
