import { DTYPE_BYTES, type DType, isPacked } from '../core/dtype.ts';
import { dim, elementCount } from '../core/shape.ts';
import type { Device } from '../device/gpu-device.ts';
import type { TensorType } from '../ops/op.ts';
import { DEFAULT_CHUNK_BYTES, type TensorChunk } from '../weights/chunks.ts';
import { type ConvertTarget, convertChunk, float32ToFloat16Bits } from '../weights/convert.ts';
import { SAFETENSORS_DTYPE_BITS, type SafetensorsDType } from '../weights/safetensors-dtype.ts';
import { createWeightConverter, isConvertible, type SquaredSums } from './weight-convert.ts';

/** Puts chunks of checkpoint tensors into GPU buffers, converting on the way; finished work frees its memory. */
export interface WeightUploader {
  /** Chunks of a packed weight hold whole rows; `onRounded` is told what was lost, in the end. */
  upload(
    chunk: TensorChunk,
    weight: TensorType,
    buffer: GPUBuffer,
    onRounded?: (sums: SquaredSums) => void,
  ): Promise<void>;
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
  let unread: Promise<void>[] = [];

  const quantize = async (
    { entry, offsetBytes, bytes }: TensorChunk,
    weight: TensorType,
    buffer: GPUBuffer,
    onRounded: (sums: SquaredSums) => void,
  ): Promise<void> => {
    // What the GPU cannot read is widened here first.
    const [from, raw] = isConvertible(entry.dtype, weight.dtype)
      ? [entry.dtype, bytes]
      : (['F32', rawBytes(convertChunk(bytes, entry.dtype, 'f32', whereOf(entry)))] as const);
    const columns = dim(weight.shape, 1);
    const rowBytes = (columns * SAFETENSORS_DTYPE_BITS[entry.dtype]) / 8;
    const elements = {
      count: (columns * bytes.byteLength) / rowBytes,
      offset: (columns * offsetBytes) / rowBytes,
    };
    const { sums } = await converter.quantize(
      converter.stage(inWholeWords(raw), from, elements),
      weight,
      buffer,
    );
    unread.push(sums.then(onRounded));
  };

  const write = async (chunk: TensorChunk, { dtype }: TensorType, buffer: GPUBuffer): Promise<void> => {
    const { entry, offsetBytes, bytes } = chunk;
    const bits = SAFETENSORS_DTYPE_BITS[entry.dtype];
    const offset = (offsetBytes * 8) / bits;
    const target = offset * DTYPE_BYTES[dtype];
    if (SAME_BYTES[entry.dtype] === dtype) {
      device.gpu.queue.writeBuffer(buffer, target, inWholeWords(bytes));
      return;
    }
    if (isConvertible(entry.dtype, dtype)) {
      const elements = { count: (bytes.byteLength * 8) / bits, offset };
      const staged = converter.stage(inWholeWords(bytes), entry.dtype, elements);
      await converter.convert(staged, { dtype, shape: [elementCount(entry.shape)] }, buffer);
      return;
    }
    const cpuTarget: ConvertTarget = dtype === 'i32' || dtype === 'u32' ? dtype : 'f32';
    const values = convertChunk(bytes, entry.dtype, cpuTarget, whereOf(entry));
    const stored = dtype === 'f16' ? float32ToFloat16Bits(values as Float32Array) : values;
    device.gpu.queue.writeBuffer(buffer, target, inWholeWords(rawBytes(stored)));
  };

  const settle = async (): Promise<void> => {
    await device.onSubmittedWorkDone();
    const reading = unread;
    unread = [];
    await Promise.all(reading);
  };

  return {
    async upload(chunk, weight, buffer, onRounded = () => {}) {
      if (isPacked(weight.dtype)) await quantize(chunk, weight, buffer, onRounded);
      else await write(chunk, weight, buffer);
      bytesInFlight += chunk.bytes.byteLength;
      if (bytesInFlight < MAX_BYTES_IN_FLIGHT) return;
      await settle();
      bytesInFlight = 0;
    },
    finish: settle,
    dispose: converter.dispose,
  };
}

const whereOf = ({ source, name }: TensorChunk['entry']): string => `${source.name}: tensor "${name}"`;

const rawBytes = ({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array =>
  new Uint8Array(buffer, byteOffset, byteLength);

/** WebGPU copies whole words. */
function inWholeWords(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  if (bytes.byteLength % 4 === 0) return bytes as Uint8Array<ArrayBuffer>;
  const padded = new Uint8Array(Math.ceil(bytes.byteLength / 4) * 4);
  padded.set(bytes);
  return padded;
}
