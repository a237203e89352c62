import { WeightError } from '../core/errors.ts';
import { formatShape, type Shape } from '../core/shape.ts';
import { checkedByteLength, SAFETENSORS_DTYPE_BITS, type SafetensorsDType } from './safetensors-dtype.ts';

/** A tensor to be written. */
export interface TensorPlace {
  readonly name: string;
  readonly dtype: SafetensorsDType;
  readonly shape: Shape;
}

export interface TensorData extends TensorPlace {
  /** Row-major, little-endian. */
  readonly bytes: Uint8Array;
}

const LENGTH_BYTES = 8;

/**
 * A whole safetensors file. Wide dtypes come first and the header is padded to 8 bytes, so that every tensor is
 * aligned to its element, as in huggingface/safetensors; tensors of one width are sorted by name.
 * Throws WeightError when names repeat or bytes and shape disagree.
 */
export function encodeSafetensors(
  tensors: readonly TensorData[],
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array<ArrayBuffer> {
  const sorted = inFileOrder(tensors);
  for (const { name, dtype, shape, bytes } of sorted) {
    if (bytes.length === byteLengthOf({ name, dtype, shape })) continue;
    throw new WeightError(
      `write tensor ${JSON.stringify(name)}: has ${bytes.length} bytes; expected ${byteLengthOf({ name, dtype, shape })} for ${dtype} ${formatShape(shape)}.`,
    );
  }
  const header = encodeSafetensorsHeader(sorted, metadata);
  const dataByteLength = sorted.reduce((sum, tensor) => sum + tensor.bytes.length, 0);
  const file = new Uint8Array(header.length + dataByteLength);
  file.set(header);
  let offset = header.length;
  for (const { bytes } of sorted) {
    file.set(bytes, offset);
    offset += bytes.length;
  }
  return file;
}

/** Tensors as `encodeSafetensors` orders them. */
export const inFileOrder = <T extends TensorPlace>(tensors: readonly T[]): T[] =>
  [...tensors].sort(
    (a, b) =>
      SAFETENSORS_DTYPE_BITS[b.dtype] - SAFETENSORS_DTYPE_BITS[a.dtype] || compareText(a.name, b.name),
  );

/**
 * What stands before the data of `tensors`, which follow one after another in this order: for files that are too large
 * to be made in memory. Throws WeightError when names repeat or a dtype fills no whole bytes.
 */
export function encodeSafetensorsHeader(
  tensors: readonly TensorPlace[],
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array<ArrayBuffer> {
  // Members are written one by one: in an object literal the legal name "__proto__" would be lost.
  const members: string[] = [];
  if (Object.keys(metadata).length > 0) members.push(`"__metadata__":${JSON.stringify(metadata)}`);
  const names = new Set(['__metadata__']);
  let offset = 0;
  for (const tensor of tensors) {
    const { name, dtype, shape } = tensor;
    if (names.has(name)) {
      throw new WeightError(
        `write tensor ${JSON.stringify(name)}: the name is taken; expected each name once and not __metadata__.`,
      );
    }
    names.add(name);
    const end = offset + byteLengthOf(tensor);
    members.push(`${JSON.stringify(name)}:${JSON.stringify({ dtype, shape, data_offsets: [offset, end] })}`);
    offset = end;
  }
  const json = new TextEncoder().encode(`{${members.join(',')}}`);
  const paddedLength = Math.ceil(json.length / 8) * 8;
  const header = new Uint8Array(LENGTH_BYTES + paddedLength).fill(0x20);
  new DataView(header.buffer).setBigUint64(0, BigInt(paddedLength), true);
  header.set(json, LENGTH_BYTES);
  return header;
}

function byteLengthOf({ name, dtype, shape }: TensorPlace): number {
  const byteLength = checkedByteLength(dtype, shape);
  if (byteLength !== undefined) return byteLength;
  throw new WeightError(
    `write tensor ${JSON.stringify(name)}: its elements fill no bytes to the end; expected whole bytes for ${dtype} ${formatShape(shape)}.`,
  );
}

const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
