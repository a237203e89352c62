import { type FileHandle, open } from 'node:fs/promises';
import { basename } from 'node:path';
import { WeightError } from '../core/errors.ts';
import { type ByteSource, checkNotAborted, checkRange } from './byte-source.ts';

/** A source over a file on disk (Node only). Throws WeightError when it cannot be opened or is no file. */
export async function fileSource(path: string): Promise<ByteSource> {
  const name = basename(path);
  const handle = await openFile(path);
  try {
    const stats = await handle.stat();
    if (!stats.isFile()) throw new WeightError(`${path}: is not a regular file; expected a checkpoint file.`);
    return handleSource(name, handle, stats.size);
  } catch (error) {
    await handle.close();
    throw error;
  }
}

async function openFile(path: string): Promise<FileHandle> {
  try {
    return await open(path, 'r');
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new WeightError(`${path}: cannot be opened (${reason}); expected a readable file.`, { cause });
  }
}

function handleSource(name: string, handle: FileHandle, byteLength: number): ByteSource {
  const source: ByteSource = {
    name,
    byteLength,
    async read(offset, length, signal) {
      checkNotAborted(signal, name);
      checkRange(source, offset, length);
      const bytes = new Uint8Array(length);
      let filled = 0;
      while (filled < length) {
        const { bytesRead } = await handle.read(bytes, filled, length - filled, offset + filled);
        if (bytesRead === 0) {
          throw new WeightError(
            `${name}: the file ends after ${offset + filled} bytes; expected ${byteLength} as when it was opened. It was changed while being read: load it again.`,
          );
        }
        filled += bytesRead;
        checkNotAborted(signal, name);
      }
      return bytes;
    },
    close: () => handle.close(),
  };
  return source;
}
