import { randomUUID } from 'node:crypto';
import { rename, rm, writeFile } from 'node:fs/promises';
import { InputError } from '../core/errors.ts';

/** Writes the file of `--output`: the whole of it or nothing, and what stood there before until then. Throws InputError. */
export async function writeWhole(path: string, bytes: Uint8Array | string): Promise<void> {
  const staging = `${path}.${randomUUID()}.incomplete`;
  try {
    await writeFile(staging, bytes);
    await rename(staging, path);
  } catch (cause) {
    await rm(staging, { force: true });
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new InputError(`--output "${path}": cannot be written (${reason}); expected a place to write to.`, {
      cause,
    });
  }
}
