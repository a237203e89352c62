import { randomUUID } from 'node:crypto';
import { mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

/** Folders and files that are being written, or taken away: whoever finds one after a crash may delete it. */
const UNFINISHED = /^\.unfinished-/;
const unfinished = (path: string): string =>
  join(dirname(path), `.unfinished-${basename(path)}-${randomUUID()}`);

/**
 * Makes a folder of `files` that is there whole or not at all, whatever happens meanwhile: it is written beside its place,
 * flushed to the disk, and renamed. One of that name gives way.
 */
export async function writeFolder(
  path: string,
  files: ReadonlyMap<string, Uint8Array | string>,
): Promise<void> {
  const made = unfinished(path);
  await mkdir(made, { recursive: true });
  for (const [name, content] of files) await writeFlushed(join(made, name), content);
  await flush(made);
  await removeFolder(path);
  await rename(made, path);
  await flush(dirname(path));
}

/** Replaces a file by another content, whole or not at all. */
export async function replaceFile(path: string, content: Uint8Array | string): Promise<void> {
  const made = unfinished(path);
  await writeFlushed(made, content);
  await rename(made, path);
  await flush(dirname(path));
}

/** Removes a folder, so that nobody ever finds a part of it under its name; nothing where it is not there. */
export async function removeFolder(path: string): Promise<void> {
  const gone = unfinished(path);
  try {
    await rename(path, gone);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw error;
  }
  await rm(gone, { recursive: true, force: true });
}

/** Deletes what a process that was killed left unfinished in `folder`. */
export async function removeUnfinished(folder: string): Promise<void> {
  for (const name of await readdir(folder))
    if (UNFINISHED.test(name)) await rm(join(folder, name), { recursive: true, force: true });
}

async function writeFlushed(path: string, content: Uint8Array | string): Promise<void> {
  const file = await open(path, 'wx');
  try {
    await file.writeFile(content);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Makes the names in a folder last. */
async function flush(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
