/**
 * The cache folder that Hugging Face tools share, so that a model is on the disk once:
 * `models--ORG--NAME/{refs/REVISION, blobs/HASH, snapshots/COMMIT/FILE -> ../../blobs/HASH}`.
 * https://huggingface.co/docs/huggingface_hub/guides/manage-cache
 */
import { copyFile, mkdir, readFile, rename, stat, symlink, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join, relative } from 'node:path';

/** One model's part of the cache. */
export interface HubCache {
  readonly blobPath: (hash: string) => string;
  readonly snapshotFolder: (commit: string) => string;
  /** The commit a branch or tag stood for when it was last asked for. */
  knownCommit(revision: string): Promise<string | undefined>;
  rememberCommit(revision: string, commit: string): Promise<void>;
  /** Whether the file is in the snapshot, whole. */
  hasFile(commit: string, file: string): Promise<boolean>;
  /** Puts a blob that lies in the cache into a snapshot under its name. */
  linkFile(commit: string, file: string, hash: string): Promise<void>;
}

export function hubCache(id: string, env: NodeJS.ProcessEnv = process.env): HubCache {
  const root = join(hubCacheFolder(env), `models--${id.replaceAll('/', '--')}`);
  const blobPath = (hash: string): string => join(root, 'blobs', hash);
  const snapshotFolder = (commit: string): string => join(root, 'snapshots', commit);
  const refPath = (revision: string): string => join(root, 'refs', revision);
  return {
    blobPath,
    snapshotFolder,
    async knownCommit(revision) {
      if (await exists(snapshotFolder(revision))) return revision;
      const commit = (await readIfThere(refPath(revision)))?.trim();
      return commit && (await exists(snapshotFolder(commit))) ? commit : undefined;
    },
    async rememberCommit(revision, commit) {
      if (revision === commit) return;
      await mkdir(dirname(refPath(revision)), { recursive: true });
      await writeFile(refPath(revision), commit);
    },
    hasFile: (commit, file) => exists(join(snapshotFolder(commit), file)),
    async linkFile(commit, file, hash) {
      const path = join(snapshotFolder(commit), file);
      await mkdir(dirname(path), { recursive: true });
      await linkOrCopy(blobPath(hash), path);
    },
  };
}

/** `HF_HUB_CACHE`, or `hub` in `HF_HOME`, or in the user's cache folder. */
export function hubCacheFolder(env: NodeJS.ProcessEnv = process.env): string {
  return env.HF_HUB_CACHE || join(hubHome(env), 'hub');
}

/** Where Hugging Face tools keep their things, the token among them. */
export const hubHome = (env: NodeJS.ProcessEnv): string =>
  env.HF_HOME || join(env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'huggingface');

/** Where links need a privilege (Windows), a copy serves, as in the other tools. */
async function linkOrCopy(blob: string, path: string): Promise<void> {
  try {
    await symlink(relative(dirname(path), blob), path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') return; // another process was faster
    if (code !== 'EPERM' && code !== 'ENOTSUP') throw error;
    const staging = `${path}.${process.pid}.incomplete`;
    await copyFile(blob, staging);
    await rename(staging, path);
  }
}

async function exists(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined)) !== undefined;
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
