import { WeightError } from '../core/errors.ts';
import { formatShape, type Shape } from '../core/shape.ts';
import type { ByteSource } from './byte-source.ts';
import { checkedByteLength, isSafetensorsDType, type SafetensorsDType } from './safetensors-dtype.ts';
import { clip, isJsonObject, parseStrictJson, showJson } from './strict-json.ts';

/** Where one tensor lies: `byteLength` bytes at `offsetBytes` of `source`, row-major, little-endian. */
export interface TensorEntry {
  readonly name: string;
  readonly dtype: SafetensorsDType;
  readonly shape: Shape;
  readonly source: ByteSource;
  /** From the start of the file; the format promises no alignment. */
  readonly offsetBytes: number;
  readonly byteLength: number;
}

/** Tensors by name. A Map, since `__proto__` is a legal tensor name. */
export type TensorIndex = ReadonlyMap<string, TensorEntry>;

/** What the header of a safetensors file says. */
export interface SafetensorsFile {
  readonly index: TensorIndex;
  /** The file's `__metadata__`; empty where it has none. */
  readonly metadata: ReadonlyMap<string, string>;
}

/** The format's own limit: MAX_HEADER_SIZE in huggingface/safetensors, safetensors/src/tensor.rs. */
export const MAX_HEADER_BYTES = 100_000_000;
const LENGTH_BYTES = 8;
const METADATA_KEY = '__metadata__';
const OPEN_BRACE = 0x7b;

/** The tensors of one safetensors file, every claim of its header checked. Throws WeightError. */
export async function readSafetensorsIndex(source: ByteSource): Promise<TensorIndex> {
  return (await readSafetensors(source)).index;
}

/**
 * Header and metadata of one safetensors file; reads the header alone, never tensor data.
 * Throws WeightError for anything the format does not allow.
 */
export async function readSafetensors(source: ByteSource): Promise<SafetensorsFile> {
  if (source.byteLength < LENGTH_BYTES) {
    throw new WeightError(
      `${source.name}: the file has ${source.byteLength} bytes; expected at least ${LENGTH_BYTES}. It is truncated: download it again.`,
    );
  }
  const headerByteLength = checkHeaderLength(source, await source.read(0, LENGTH_BYTES));
  return parseHeader(await source.read(LENGTH_BYTES, headerByteLength), source);
}

function checkHeaderLength(source: ByteSource, prefix: Uint8Array): number {
  if (new TextDecoder().decode(prefix) === 'version ') {
    throw new WeightError(
      `${source.name}: is a Git LFS pointer of ${source.byteLength} bytes; expected the weights themselves. Run \`git lfs pull\` in the checkpoint's folder.`,
    );
  }
  // 64 bits: compared as BigInt, since as a Number a hostile length could round into range.
  const claimed = new DataView(prefix.buffer, prefix.byteOffset, LENGTH_BYTES).getBigUint64(0, true);
  if (claimed > BigInt(MAX_HEADER_BYTES)) {
    throw new WeightError(
      `${source.name}: the header claims ${claimed} bytes; expected at most ${MAX_HEADER_BYTES}. This is not a safetensors file, or it is damaged.`,
    );
  }
  const available = source.byteLength - LENGTH_BYTES;
  if (claimed > BigInt(available)) {
    throw new WeightError(
      `${source.name}: the header claims ${claimed} bytes, but ${available} follow; expected the header within the file. The file is truncated: download it again.`,
    );
  }
  return Number(claimed);
}

/**
 * Parses and checks the JSON header that stands at byte 8 of `source`: dtypes, shapes and sizes agree, and the
 * tensors fill the rest of the file with no hole and no overlap. Throws WeightError.
 */
export function parseHeader(header: Uint8Array, source: ByteSource): SafetensorsFile {
  const where = source.name;
  if (header[0] !== OPEN_BRACE) {
    throw new WeightError(
      `${where}: the header begins with ${header.length ? `byte 0x${header[0]?.toString(16).padStart(2, '0')}` : 'nothing'}; expected "{". This is not a safetensors file.`,
    );
  }
  const json = parseStrictJson(header, `${where}: header`);
  if (!isJsonObject(json)) throw new WeightError(`${where}: the header is no JSON object; expected one.`);

  const dataStart = LENGTH_BYTES + header.length;
  const index = new Map<string, TensorEntry>();
  let metadata: ReadonlyMap<string, string> = new Map();
  for (const [name, value] of Object.entries(json)) {
    if (name === METADATA_KEY) metadata = parseMetadata(value, where);
    else index.set(name, parseEntry(name, value, source, dataStart));
  }
  checkCoverage([...index.values()], source, dataStart);
  return { index, metadata };
}

function parseMetadata(value: unknown, where: string): ReadonlyMap<string, string> {
  if (!isJsonObject(value)) {
    throw new WeightError(`${where}: ${METADATA_KEY} is ${showJson(value)}; expected an object of strings.`);
  }
  const metadata = new Map<string, string>();
  for (const [key, text] of Object.entries(value)) {
    if (typeof text !== 'string') {
      throw new WeightError(
        `${where}: ${METADATA_KEY} ${showJson(key)} is ${showJson(text)}; expected a string.`,
      );
    }
    metadata.set(key, text);
  }
  return metadata;
}

function parseEntry(name: string, value: unknown, source: ByteSource, dataStart: number): TensorEntry {
  const where = `${source.name}: tensor ${showJson(name)}`;
  if (!isJsonObject(value)) {
    throw new WeightError(
      `${where} is ${showJson(value)}; expected an object of dtype, shape and data_offsets.`,
    );
  }
  const { dtype, shape, data_offsets: offsets } = value;
  if (!isSafetensorsDType(dtype)) {
    throw new WeightError(
      `${where} has dtype ${showJson(dtype)}; expected one of the format, such as "F16".`,
    );
  }
  if (!Array.isArray(shape) || !shape.every(isSize)) {
    throw new WeightError(
      `${where} has shape ${showJson(shape)}; expected non-negative integers below 2^53.`,
    );
  }
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isSize)) {
    throw new WeightError(
      `${where} has data_offsets ${showJson(offsets)}; expected [begin, end] below 2^53.`,
    );
  }
  const [begin, end] = offsets as [number, number];
  if (begin > end) {
    throw new WeightError(`${where} has data_offsets [${begin}, ${end}]; expected begin <= end.`);
  }
  const byteLength = checkedByteLength(dtype, shape);
  if (byteLength === undefined) {
    throw new WeightError(
      `${where}: ${dtype} ${clip(formatShape(shape))} takes no exact number of bytes below 2^50; expected whole bytes.`,
    );
  }
  if (end - begin !== byteLength) {
    throw new WeightError(
      `${where}: data_offsets [${begin}, ${end}] span ${end - begin} bytes; expected ${byteLength} for ${dtype} ${clip(formatShape(shape))}.`,
    );
  }
  return { name, dtype, shape, source, offsetBytes: dataStart + begin, byteLength };
}

const isSize = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

function checkCoverage(entries: TensorEntry[], source: ByteSource, dataStart: number): void {
  entries.sort((a, b) => a.offsetBytes - b.offsetBytes || a.byteLength - b.byteLength);
  let end = dataStart;
  let previous = 'the header';
  for (const entry of entries) {
    const label = `tensor ${showJson(entry.name)}`;
    if (entry.offsetBytes !== end) {
      const wrong = entry.offsetBytes > end ? 'leaves a hole after' : 'overlaps';
      throw new WeightError(
        `${source.name}: ${label} begins at data byte ${entry.offsetBytes - dataStart} and ${wrong} ${previous}; expected it at ${end - dataStart}.`,
      );
    }
    end += entry.byteLength;
    previous = label;
  }
  if (end !== source.byteLength) {
    const remedy = end > source.byteLength ? 'The file is truncated: download it again.' : 'It is damaged.';
    throw new WeightError(
      `${source.name}: the tensors end at byte ${end}, the file at ${source.byteLength}; expected both the same. ${remedy}`,
    );
  }
}
