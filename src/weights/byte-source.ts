import { AbortError, invariant, WeightError } from '../core/errors.ts';

/**
 * A file of known length that is read by ranges, wherever it lies.
 * `read` gives exactly `length` bytes or throws WeightError; the bytes may be a view, so do not write to them.
 */
export interface ByteSource {
  /** File name for error messages. */
  readonly name: string;
  readonly byteLength: number;
  /** Reads that are worth having under way together; 1 unless told. */
  readonly readsAtOnce?: number;
  /** Exactly `length` bytes from `offset`. Throws WeightError, AbortError. */
  read(offset: number, length: number, signal?: AbortSignal): Promise<Uint8Array>;
  /** Lets go of the file; further reads may fail. */
  close(): Promise<void>;
}

/** Throws WeightError unless [offset, offset + length) lies within the source. */
export function checkRange(source: { name: string; byteLength: number }, offset: number, length: number) {
  invariant(
    Number.isSafeInteger(offset) && Number.isSafeInteger(length) && offset >= 0 && length >= 0,
    `${source.name}: read of ${length} bytes at ${offset}`,
  );
  if (offset + length > source.byteLength) {
    throw new WeightError(
      `${source.name}: read of bytes ${offset} to ${offset + length} of a file of ${source.byteLength} bytes; expected a range within it. The file may be truncated: download it again.`,
    );
  }
}

/** Throws AbortError once the caller's signal fired. */
export function checkNotAborted(signal: AbortSignal | undefined, name: string): void {
  if (signal?.aborted) throw new AbortError(`${name}: reading aborted by the caller`);
}

/** A source over bytes in memory; reads are views of `bytes`. */
export function bytesSource(name: string, bytes: Uint8Array): ByteSource {
  const source: ByteSource = {
    name,
    byteLength: bytes.byteLength,
    async read(offset, length, signal) {
      checkNotAborted(signal, name);
      checkRange(source, offset, length);
      return bytes.subarray(offset, offset + length);
    },
    async close() {},
  };
  return source;
}

/** A source over a Blob or File of a page: only the asked ranges come into memory. */
export function blobSource(name: string, blob: Blob): ByteSource {
  const source: ByteSource = {
    name,
    byteLength: blob.size,
    async read(offset, length, signal) {
      checkNotAborted(signal, name);
      checkRange(source, offset, length);
      return readBlob(name, blob.slice(offset, offset + length));
    },
    async close() {},
  };
  return source;
}

async function readBlob(name: string, blob: Blob): Promise<Uint8Array> {
  try {
    return new Uint8Array(await blob.arrayBuffer());
  } catch (cause) {
    throw new WeightError(
      `${name}: the browser could not read ${blob.size} bytes of the file; expected it unchanged since it was picked. Pick it again.`,
      { cause },
    );
  }
}
