import { randomUUID } from 'node:crypto';
import { rename, rm } from 'node:fs/promises';

/**
 * Gives `path` the file that `write` makes at another name beside it: a reader sees the old file or the new one, never half
 * of it, and a failure leaves nothing. Throws what `write` throws, and the file system's errors. Node only.
 */
export async function replaceFile(path: string, write: (staging: string) => Promise<void>): Promise<void> {
  const staging = `${path}.${randomUUID()}.incomplete`;
  try {
    await write(staging);
    await rename(staging, path);
  } catch (error) {
    // It fails, too, where a folder of the path is a file; what failed first is what matters.
    await rm(staging, { force: true }).catch(() => undefined);
    throw error;
  }
}
