import { DTYPE_BYTES, type DType, isPacked } from '../core/dtype.ts';
import { elementCount } from '../core/shape.ts';
import type { Device } from '../device/gpu-device.ts';
import type { TensorType } from '../ops/op.ts';
import { DEFAULT_CHUNK_BYTES, type TensorChunk } from '../weights/chunks.ts';
import { type ConvertTarget, convertChunk, float32ToFloat16Bits } from '../weights/convert.ts';
import { SAFETENSORS_DTYPE_BITS, type SafetensorsDType } from '../weights/safetensors-dtype.ts';
import {
  createWeightConverter,
  isConvertible,
  type MergeFactors,
  type SquaredSums,
  type StagedElements,
} from './weight-convert.ts';

/** Puts chunks of checkpoint tensors into GPU buffers, converting on the way; finished work frees its memory. */
export interface WeightUploader {
  /** Chunks of a weight that is packed or changed hold whole rows, of a changed one the first of them even. */
  upload(chunk: TensorChunk, weight: TensorType, buffer: GPUBuffer, change?: WeightChange): Promise<void>;
  /** Waits until all is in place. Throws what WebGPU found wrong. */
  finish(): Promise<void>;
  /** Waits for what is under way, so that nothing stays allocated. */
  dispose(): Promise<void>;
}

/** What becomes of a weight on its way besides its dtype. */
export interface WeightChange {
  readonly factors?: MergeFactors | undefined;
  /** Told what packing lost, in the end. */
  readonly onRounded?: (sums: SquaredSums) => void;
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

/** The most bytes of one chunk, and of one that is merged, as f32; multiples of 4. */
export interface ChunkSizes {
  readonly chunkBytes: number;
  readonly mergedBytes: number;
}

export function createWeightUploader(
  device: Device,
  { chunkBytes, mergedBytes }: ChunkSizes,
): WeightUploader {
  const converter = createWeightConverter(device, chunkBytes, mergedBytes);
  let bytesInFlight = 0;
  let unread: Promise<void>[] = [];

  const stage = ({ entry, offsetBytes, bytes }: TensorChunk): StagedElements => {
    const bits = SAFETENSORS_DTYPE_BITS[entry.dtype];
    const elements = { count: (bytes.byteLength * 8) / bits, offset: (offsetBytes * 8) / bits };
    if (isConvertible(entry.dtype, 'f32')) return converter.stage(inWholeWords(bytes), entry.dtype, elements);
    // What the GPU cannot read is widened here first.
    const widened = rawBytes(convertChunk(bytes, entry.dtype, 'f32', whereOf(entry)));
    return converter.stage(inWholeWords(widened), 'F32', elements);
  };

  const change = async (
    chunk: TensorChunk,
    weight: TensorType,
    buffer: GPUBuffer,
    { factors, onRounded }: WeightChange,
  ): Promise<void> => {
    const staged = stage(chunk);
    const merged = factors ? await converter.merge(staged, factors) : staged;
    if (!isPacked(weight.dtype)) return converter.convert(merged, flat(weight), buffer);
    const { sums } = await converter.quantize(merged, weight, buffer);
    unread.push(sums.then((lost) => onRounded?.(lost)));
  };

  const write = async (chunk: TensorChunk, { dtype }: TensorType, buffer: GPUBuffer): Promise<void> => {
    const { entry, offsetBytes, bytes } = chunk;
    const target = ((offsetBytes * 8) / SAFETENSORS_DTYPE_BITS[entry.dtype]) * DTYPE_BYTES[dtype];
    if (SAME_BYTES[entry.dtype] === dtype) {
      device.gpu.queue.writeBuffer(buffer, target, inWholeWords(bytes));
      return;
    }
    if (isConvertible(entry.dtype, dtype))
      return converter.convert(stage(chunk), flat({ dtype, shape: entry.shape }), buffer);
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
    async upload(chunk, weight, buffer, how = {}) {
      if (isPacked(weight.dtype) || how.factors) await change(chunk, weight, buffer, how);
      else await write(chunk, weight, buffer);
      bytesInFlight += chunk.bytes.byteLength;
      if (bytesInFlight < MAX_BYTES_IN_FLIGHT) return;
      await settle();
      bytesInFlight = 0;
    },
    finish: settle,
    async dispose() {
      await Promise.allSettled(unread);
      converter.dispose();
    },
  };
}

/** As one row, which is how bytes that need no rows are converted. */
const flat = ({ dtype, shape }: TensorType): TensorType => ({ dtype, shape: [elementCount(shape)] });

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
