import { WeightError } from '../core/errors.ts';
import { formatShape, type Shape } from '../core/shape.ts';
import { checkedByteLength, SAFETENSORS_DTYPE_BITS, type SafetensorsDType } from './safetensors-dtype.ts';

export interface TensorData {
  readonly name: string;
  readonly dtype: SafetensorsDType;
  readonly shape: Shape;
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
  const sorted = [...tensors].sort(
    (a, b) =>
      SAFETENSORS_DTYPE_BITS[b.dtype] - SAFETENSORS_DTYPE_BITS[a.dtype] || compareText(a.name, b.name),
  );
  checkTensors(sorted);
  const header = encodeHeader(sorted, metadata);
  const dataByteLength = sorted.reduce((sum, tensor) => sum + tensor.bytes.length, 0);
  const file = new Uint8Array(LENGTH_BYTES + header.length + dataByteLength);
  new DataView(file.buffer).setBigUint64(0, BigInt(header.length), true);
  file.set(header, LENGTH_BYTES);
  let offset = LENGTH_BYTES + header.length;
  for (const { bytes } of sorted) {
    file.set(bytes, offset);
    offset += bytes.length;
  }
  return file;
}

function checkTensors(tensors: readonly TensorData[]): void {
  const names = new Set<string>();
  for (const { name, dtype, shape, bytes } of tensors) {
    const where = `write tensor ${JSON.stringify(name)}`;
    if (name === '__metadata__' || names.has(name)) {
      throw new WeightError(`${where}: the name is taken; expected each name once and not __metadata__.`);
    }
    names.add(name);
    const expected = checkedByteLength(dtype, shape);
    if (bytes.length !== expected) {
      throw new WeightError(
        `${where}: has ${bytes.length} bytes; expected ${expected ?? 'whole bytes'} for ${dtype} ${formatShape(shape)}.`,
      );
    }
  }
}

function encodeHeader(
  tensors: readonly TensorData[],
  metadata: Readonly<Record<string, string>>,
): Uint8Array {
  // Members are written one by one: in an object literal the legal name "__proto__" would be lost.
  const members: string[] = [];
  if (Object.keys(metadata).length > 0) members.push(`"__metadata__":${JSON.stringify(metadata)}`);
  let offset = 0;
  for (const { name, dtype, shape, bytes } of tensors) {
    const entry = { dtype, shape, data_offsets: [offset, offset + bytes.length] };
    members.push(`${JSON.stringify(name)}:${JSON.stringify(entry)}`);
    offset += bytes.length;
  }
  const json = new TextEncoder().encode(`{${members.join(',')}}`);
  const padded = new Uint8Array(Math.ceil(json.length / 8) * 8).fill(0x20);
  padded.set(json);
  return padded;
}

const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
