import type { StorageReport, StoredModel } from '../protocol.ts';

/**
 * Models lie in the origin-private file system, a folder per key. Of each file of a checkpoint there is at most one of:
 * the file; `NAME.part`, which grows; `NAME.absent`, where the checkpoint is known to have none.
 */
const ROOT = 'tessera-models';
export const PART = '.part';
const BUILT_IN = 'built-in@';
export const ABSENT = '.absent';

async function root(): Promise<FileSystemDirectoryHandle> {
  const storage = await navigator.storage.getDirectory();
  return storage.getDirectoryHandle(ROOT, { create: true });
}

/** The folder of a model, made where it is missing; undefined where the browser keeps nothing (private windows). */
export async function modelFolder(key: string): Promise<FileSystemDirectoryHandle | undefined> {
  try {
    return await (await root()).getDirectoryHandle(encodeURIComponent(key), { create: true });
  } catch {
    return undefined;
  }
}

/** What is kept, the largest first. */
export async function listModels(): Promise<StorageReport> {
  const models: StoredModel[] = [];
  try {
    for await (const [name, handle] of (await root()).entries()) {
      if (handle.kind !== 'directory') continue;
      const key = decodeURIComponent(name);
      models.push({ key, name: nameOfKey(key), ...(await sizesOf(handle as FileSystemDirectoryHandle)) });
    }
  } catch {
    // No storage in this window: nothing is kept.
  }
  const { usage = null, quota = null } = await navigator.storage
    .estimate()
    .catch(() => ({}) as StorageEstimate);
  return {
    models: models.toSorted((a, b) => b.byteLength - a.byteLength),
    usedBytes: usage,
    quotaBytes: quota,
  };
}

/** Deletes what an earlier version of the page stored of its built-in model; `key` is that of this version. */
export async function deleteOldBuiltIns(key: string): Promise<void> {
  const { models } = await listModels();
  const old = models.filter((model) => model.key.startsWith(BUILT_IN) && model.key !== key);
  for (const model of old) await deleteModel(model.key);
}

export async function deleteModel(key: string): Promise<void> {
  await (await root()).removeEntry(encodeURIComponent(key), { recursive: true });
}

async function sizesOf(
  folder: FileSystemDirectoryHandle,
): Promise<Pick<StoredModel, 'byteLength' | 'files' | 'partialBytes'>> {
  let [byteLength, files, partialBytes] = [0, 0, 0];
  for await (const [name, handle] of folder.entries()) {
    if (handle.kind !== 'file' || name.endsWith(ABSENT)) continue;
    const { size } = await (handle as FileSystemFileHandle).getFile();
    if (name.endsWith(PART)) partialBytes += size;
    else [byteLength, files] = [byteLength + size, files + 1];
  }
  return { byteLength, files, partialBytes };
}

/** `org/name` of `org/name@commit`; addresses as they are. */
export const nameOfKey = (key: string): string =>
  key.startsWith(BUILT_IN) ? 'Built-in model' : key.replace(/@[0-9a-f]{40}$/, '');
