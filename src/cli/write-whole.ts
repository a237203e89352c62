import { writeFile } from 'node:fs/promises';
import { InputError } from '../core/errors.ts';
import { replaceFile } from '../core/replace-file.ts';

/** Writes the file of `--output`: the whole of it or nothing, and what stood there before until then. Throws InputError. */
export async function writeWhole(path: string, bytes: Uint8Array | string): Promise<void> {
  try {
    await replaceFile(path, (staging) => writeFile(staging, bytes));
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new InputError(`--output "${path}": cannot be written (${reason}); expected a place to write to.`, {
      cause,
    });
  }
}
