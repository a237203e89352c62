/**
 * The cache folder that Hugging Face tools share, so that a model is on the disk once:
 * `models--ORG--NAME/{refs/REVISION, blobs/HASH, snapshots/COMMIT/FILE -> ../../blobs/HASH}`.
 * https://huggingface.co/docs/huggingface_hub/guides/manage-cache
 * What is unfinished has names of our own beside theirs, which other tools pass over.
 */
import { copyFile, mkdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { replaceFile } from '../../core/replace-file.ts';
import { isCommit } from './hub-id.ts';

/** One model's part of the cache. */
export interface HubCache {
  readonly folder: string;
  /** Held while files are downloaded: see `withFileLock`. */
  readonly lockPath: string;
  readonly blobPath: (hash: string) => string;
  /** Where a blob grows until it is whole. */
  readonly partialPath: (hash: string) => string;
  readonly snapshotFolder: (commit: string) => string;
  /** The commit a branch or tag stood for when it was last asked for. */
  knownCommit(revision: string): Promise<string | undefined>;
  rememberCommit(revision: string, commit: string): Promise<void>;
  /** The hub's list of a commit's files, as it was remembered: a commit never changes. */
  knownListing(commit: string): Promise<Uint8Array | undefined>;
  rememberListing(commit: string, listing: string): Promise<void>;
  /** Whether the file is in the snapshot, whole. */
  hasFile(commit: string, file: string, byteLength?: number): Promise<boolean>;
  hasBlob(hash: string, byteLength: number): Promise<boolean>;
  /** Puts a blob that lies in the cache into a snapshot under its name. */
  linkFile(commit: string, file: string, hash: string): Promise<void>;
}

export function hubCache(cacheFolder: string, id: string): HubCache {
  const name = `models--${id.replaceAll('/', '--')}`;
  const folder = join(cacheFolder, name);
  const blobPath = (hash: string): string => join(folder, 'blobs', hash);
  const snapshotFolder = (commit: string): string => join(folder, 'snapshots', commit);
  const refPath = (revision: string): string => join(folder, 'refs', revision);
  const listingPath = (commit: string): string => join(folder, '.tessera', `${commit}.json`);
  return {
    folder,
    lockPath: join(cacheFolder, '.locks', name, 'tessera.lock'),
    blobPath,
    partialPath: (hash) => `${blobPath(hash)}.tessera.incomplete`,
    snapshotFolder,
    async knownCommit(revision) {
      const commit = isCommit(revision)
        ? revision
        : (await readIfThere(refPath(revision)))?.toString().trim();
      return isCommit(commit) && (await sizeOf(snapshotFolder(commit))) !== undefined ? commit : undefined;
    },
    async rememberCommit(revision, commit) {
      if (revision !== commit) await remember(refPath(revision), commit);
    },
    knownListing: (commit) => readIfThere(listingPath(commit)),
    rememberListing: (commit, listing) => remember(listingPath(commit), listing),
    async hasFile(commit, file, byteLength) {
      const found = await sizeOf(join(snapshotFolder(commit), file));
      return byteLength === undefined ? found !== undefined : found === byteLength;
    },
    hasBlob: async (hash, byteLength) => (await sizeOf(blobPath(hash))) === byteLength,
    async linkFile(commit, file, hash) {
      const path = join(snapshotFolder(commit), file);
      await mkdir(dirname(path), { recursive: true });
      await replaceFile(path, (staging) => linkOrCopy(blobPath(hash), staging));
    },
  };
}

/** Where the cache may only be read (an image of a container), what was learnt is known again next time. */
async function remember(path: string, text: string): Promise<void> {
  if ((await readIfThere(path))?.toString() === text) return;
  try {
    await mkdir(dirname(path), { recursive: true });
    await replaceFile(path, (staging) => writeFile(staging, text));
  } catch (error) {
    if (!/^(EACCES|EPERM|EROFS)$/.test((error as NodeJS.ErrnoException).code ?? '')) throw error;
  }
}

/** Where links need a privilege (Windows), a copy serves, as in the other tools. */
async function linkOrCopy(blob: string, path: string): Promise<void> {
  try {
    await symlink(relative(dirname(path), blob), path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'EPERM' && code !== 'ENOTSUP') throw error;
    await copyFile(blob, path);
  }
}

/** Bytes of what a path leads to, undefined where that is nothing. */
async function sizeOf(path: string): Promise<number | undefined> {
  return (await stat(path).catch(() => undefined))?.size;
}

async function readIfThere(path: string): Promise<Buffer | undefined> {
  try {
    return await readFile(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'EISDIR') return undefined;
    throw error;
  }
}
