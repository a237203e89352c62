import { readFileSync } from 'node:fs';
import { invariant } from '../src/core/errors.ts';

const root = new URL('./goldens/', import.meta.url);

export const goldenPath = (name: string): URL => new URL(name, root);

export const readGoldenJson = <T>(name: string): T => JSON.parse(readFileSync(goldenPath(name), 'utf8')) as T;

export type GoldenTensor = {
  readonly shape: readonly number[];
  readonly data: Float32Array | Int32Array | Uint8Array;
};

type Entry = {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly data_offsets: readonly [number, number];
};

/** Names of the tensors of a safetensors file. */
export function goldenTensorNames(name: string): ReadonlySet<string> {
  const bytes = readFileSync(goldenPath(name));
  const headerLength = Number(bytes.readBigUInt64LE(0));
  return new Set(Object.keys(JSON.parse(bytes.toString('utf8', 8, 8 + headerLength)) as object));
}

/** A plain reader of reference.safetensors, so that a fault in the engine's own reader cannot hide here. */
export function readGoldenTensors(name: string): (tensor: string) => GoldenTensor {
  const bytes = readFileSync(goldenPath(name));
  const headerLength = Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.toString('utf8', 8, 8 + headerLength)) as Record<string, Entry>;
  return (tensor) => {
    const entry = header[tensor];
    invariant(entry, `golden ${name} holds no tensor "${tensor}"`);
    const [from, to] = entry.data_offsets;
    // Copied: a view into the file's buffer need not be aligned.
    const raw = new Uint8Array(bytes.subarray(8 + headerLength + from, 8 + headerLength + to));
    return { shape: entry.shape, data: toArray(entry.dtype, raw) };
  };
}

function toArray(dtype: string, raw: Uint8Array<ArrayBuffer>): GoldenTensor['data'] {
  switch (dtype) {
    case 'F32':
      return new Float32Array(raw.buffer);
    case 'I32':
      return new Int32Array(raw.buffer);
    case 'I64':
      return Int32Array.from(new BigInt64Array(raw.buffer), Number);
    case 'U8':
      return raw;
    default:
      invariant(false, `golden dtype ${dtype} is not read`);
  }
}
