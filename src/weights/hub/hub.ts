/**
 * Checkpoints of the Hugging Face hub by id, downloaded into the cache that other tools share. Node only.
 *
 * Not with `@huggingface/hub`, whose 2.17 was read for it: it fetches every file of a repository, each in one stream
 * that starts anew after a cut, does not check what came against its hash, has two processes write the same
 * unfinished file, and knows neither HF_TOKEN nor HF_HUB_OFFLINE.
 */
import { mkdir, statfs } from 'node:fs/promises';
import { InputError } from '../../core/errors.ts';
import { readShardNames, SHARD_INDEX, SINGLE_FILE } from '../checkpoint.ts';
import { MAX_WHOLE_FILE_BYTES } from '../checkpoint-files.ts';
import { folderFiles } from '../checkpoint-folder.ts';
import { readBody } from '../url-source.ts';
import { withDiskErrors } from './disk-errors.ts';
import { withFileLock } from './file-lock.ts';
import { type HubCache, hubCache } from './hub-cache.ts';
import { type DownloadMeter, downloadBlob } from './hub-download.ts';
import { checkRevision, isCommit, parseHubId } from './hub-id.ts';
import {
  formatListing,
  type HubFile,
  type HubListing,
  neededFiles,
  parseListing,
  shardIndexOf,
} from './hub-listing.ts';
import { type Hub, type HubTransfer, PassingError, requestHub, withRetries } from './hub-request.ts';
import { hubCacheFolder, hubEndpoint, isHubOffline, readHubToken } from './hub-settings.ts';
import { inParallel } from './in-parallel.ts';
import { partialBytes, removeJournal } from './partial-file.ts';

/** In bytes, of all the files that were not in the cache whole. */
export interface HubProgress {
  /** What an earlier, interrupted download left counts from the start. */
  readonly done: number;
  /** Compared with their hashes; catches up with `done` at the end of each file. */
  readonly checked: number;
  readonly total: number;
}

export interface HubOptions {
  /** Branch, tag or commit; `main` unless told here or in the id. */
  readonly revision?: string | undefined;
  readonly onProgress?: ((progress: HubProgress) => void) | undefined;
  /** Told why nothing seems to happen: a hub that asks to wait, another process that downloads the same. */
  readonly onNotice?: ((text: string) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly transfer?: Partial<HubTransfer>;
  /** HF_HOME, HF_HUB_CACHE, HF_ENDPOINT, HF_TOKEN, HF_TOKEN_PATH and HF_HUB_OFFLINE are read from here. */
  readonly env?: NodeJS.ProcessEnv;
}

/** Eight connections at most. A cut costs no more than its range's unwritten rest, so ranges are large: fewer requests. */
const DEFAULT_TRANSFER: HubTransfer = {
  ranges: 4,
  files: 2,
  rangeBytes: 32 * 2 ** 20,
  idleTimeoutMs: 30_000,
  attempts: 6,
  backoffMs: 500,
};
/** A first request fails for a wrong address or no network more often than for a moment's trouble. */
const LISTING_ATTEMPTS = 3;

/**
 * The folder that holds the checkpoint `id` (`org/name` or `org/name@revision`), after downloading what is missing:
 * weights, JSON and templates, each checked against the hash the hub gives. With HF_HUB_OFFLINE=1 the cache alone is
 * asked, and for a commit that is there whole as well. Throws InputError when the hub has no such model, wants a token or
 * can't be reached, or the disk is full; WeightError when a file arrives damaged or there are no safetensors;
 * AbortError. What came until then is kept for the next try, but never seen in the folder.
 */
export async function hubFolder(id: string, options: HubOptions = {}): Promise<string> {
  const { env = process.env } = options;
  const name = parseHubId(id);
  if (!name) throw new InputError(`hub model "${id}": is no id; expected org/name or org/name@revision.`);
  const revision = options.revision ?? name.revision ?? 'main';
  checkRevision(name.id, revision);
  if (name.revision !== undefined && name.revision !== revision) {
    throw new InputError(
      `hub model "${id}": revision "${revision}" is asked for too; expected one of the two.`,
    );
  }
  const cache = hubCache(hubCacheFolder(env), name.id);
  const hub: Hub = {
    id: name.id,
    revision,
    endpoint: hubEndpoint(env),
    token: isHubOffline(env) ? undefined : await readHubToken(env),
    transfer: { ...DEFAULT_TRANSFER, ...options.transfer },
    onNotice: eachOnce(options.onNotice),
  };
  if (isHubOffline(env)) return offlineFolder(hub, cache);
  return onlineFolder(hub, cache, options);
}

/** Parallel requests meet the same trouble. */
function eachOnce(onNotice: HubOptions['onNotice']): (text: string) => void {
  let last: string | undefined;
  return (text) => {
    if (text !== last) onNotice?.(text);
    last = text;
  };
}

async function onlineFolder(hub: Hub, cache: HubCache, options: HubOptions): Promise<string> {
  const { signal } = options;
  // Nothing can have changed in a commit.
  if (await isWhole(cache, hub, hub.revision)) return cache.snapshotFolder(hub.revision);
  const listing = await readListing(hub, signal).catch(async (error: unknown) => {
    throw (await adviseOffline(hub, cache, error)) ?? error;
  });
  const { commit } = listing;
  const finish = async (): Promise<void> => {
    const index = shardIndexOf(listing);
    // Not worth a progress bar, and the total is not known before.
    if (index) await download({ hub, cache, commit, signal }, [index], undefined);
    const files = neededFiles(listing, await shardsIn(cache, listing), nameOf(hub));
    await download({ hub, cache, commit, signal }, files, options.onProgress);
    await cache.rememberListing(commit, formatListing(listing));
  };
  if ((await missingFiles(cache, hub, listing))?.length === 0) {
    await cache.rememberListing(commit, formatListing(listing));
  } else {
    const onWait = (): void => hub.onNotice('another process downloads this model: waiting for it');
    await withDiskErrors(cache.folder, () => withFileLock(cache.lockPath, { signal, onWait }, finish));
  }
  // Last, so that a name never leads to a commit that is not there whole.
  await cache.rememberCommit(hub.revision, commit);
  return cache.snapshotFolder(commit);
}

const nameOf = ({ id }: Hub): string => `hub model "${id}"`;

async function readListing(hub: Hub, signal: AbortSignal | undefined): Promise<HubListing> {
  const what = 'its listing';
  const path = `api/models/${hub.id}/revision/${encodeURIComponent(hub.revision)}?blobs=true`;
  const bytes = await withRetries(hub, { what, attempts: LISTING_ATTEMPTS, signal }, () =>
    requestHub(hub, { path, what, signal }, (response, alive) =>
      readBody(response, `${nameOf(hub)}: ${what}`, MAX_WHOLE_FILE_BYTES, alive),
    ),
  );
  return parseListing(bytes, nameOf(hub));
}

/** Undefined for a single file; the index must be in the cache for what is in shards. */
async function shardsIn(cache: HubCache, listing: HubListing): Promise<readonly string[] | undefined> {
  if (!shardIndexOf(listing)) return undefined;
  return readShardNames(await folderFiles(cache.snapshotFolder(listing.commit)));
}

/** What of a listed commit is not in the cache whole; undefined where the index that would tell is missing too. */
async function missingFiles(
  cache: HubCache,
  hub: Hub,
  listing: HubListing,
): Promise<readonly HubFile[] | undefined> {
  const index = shardIndexOf(listing);
  if (index && !(await cache.hasFile(listing.commit, index.name, index.byteLength))) return undefined;
  const missing: HubFile[] = [];
  for (const file of neededFiles(listing, await shardsIn(cache, listing), nameOf(hub))) {
    if (!(await cache.hasFile(listing.commit, file.name, file.byteLength))) missing.push(file);
  }
  return missing;
}

/** What was listed before; a file that can't be read is as good as none, for it is written again. */
async function knownListing(cache: HubCache, commit: string): Promise<HubListing | undefined> {
  const bytes = await cache.knownListing(commit);
  try {
    return bytes && parseListing(bytes, cache.folder);
  } catch {
    return undefined;
  }
}

/** Whether every file of a commit that was listed before is in the cache. */
async function isWhole(cache: HubCache, hub: Hub, commit: string): Promise<boolean> {
  const listing = isCommit(commit) ? await knownListing(cache, commit) : undefined;
  return listing !== undefined && (await missingFiles(cache, hub, listing))?.length === 0;
}

interface Place {
  readonly hub: Hub;
  readonly cache: HubCache;
  readonly commit: string;
  readonly signal: AbortSignal | undefined;
}

async function download(
  { hub, cache, commit, signal }: Place,
  files: readonly HubFile[],
  onProgress: HubOptions['onProgress'],
): Promise<void> {
  const link = async (hash: string): Promise<void> => {
    for (const { name } of wanted.filter((file) => file.hash === hash)) {
      await cache.linkFile(commit, name, hash);
    }
  };
  const wanted: HubFile[] = [];
  for (const file of files) {
    if (!(await cache.hasFile(commit, file.name, file.byteLength))) wanted.push(file);
  }
  // Files of the same content are one blob; another commit may have brought it.
  const blobs = new Map(wanted.map((file) => [file.hash, file]));
  for (const { hash, byteLength } of [...blobs.values()]) {
    if (!(await cache.hasBlob(hash, byteLength))) continue;
    blobs.delete(hash);
    // A download that was killed just after it named its blob left the journal.
    await removeJournal(cache.partialPath(hash));
    await link(hash);
  }
  const missing = [...blobs.values()];
  const meter = await createMeter(cache, missing, onProgress);
  await checkDiskSpace(hub, cache.folder, meter.total - meter.done);
  await inParallel(missing, hub.transfer.files, signal, async (file, stop) => {
    await downloadBlob({ hub, cache, commit, file, meter }, stop);
    await link(file.hash);
  });
}

async function createMeter(cache: HubCache, files: readonly HubFile[], onProgress: HubOptions['onProgress']) {
  const total = files.reduce((sum, { byteLength }) => sum + byteLength, 0);
  const left = files.map(({ hash, byteLength }) => partialBytes(cache.partialPath(hash), byteLength));
  let done = (await Promise.all(left)).reduce((sum, bytes) => sum + bytes, 0);
  let checked = 0;
  const report = (): void => onProgress?.({ done, checked, total });
  if (files.length > 0) report();
  return {
    total,
    done,
    received(bytes: number) {
      done += bytes;
      report();
    },
    checked(bytes: number) {
      checked += bytes;
      report();
    },
  } satisfies DownloadMeter & { total: number; done: number };
}

async function checkDiskSpace(hub: Hub, folder: string, neededBytes: number): Promise<void> {
  await mkdir(folder, { recursive: true });
  const { bavail, bsize, blocks } = await statfs(folder);
  // A file system that does not tell says 0 blocks.
  if (blocks === 0 || bavail * bsize >= neededBytes) return;
  throw new InputError(
    `${nameOf(hub)}: needs ${neededBytes} bytes more in "${folder}", where ${bavail * bsize} are free; expected room for all. Make room, or set HF_HUB_CACHE to a folder on another disk.`,
  );
}

/** The same error with the way out, where there is one: the hub can't be reached, and the cache has the model. */
async function adviseOffline(hub: Hub, cache: HubCache, error: unknown): Promise<InputError | undefined> {
  if (!(error instanceof InputError && error.cause instanceof PassingError)) return undefined;
  const commit = await cache.knownCommit(hub.revision);
  if (!commit || (await missingNames(hub, cache, commit)).length > 0) return undefined;
  return new InputError(`${error.message} It is in the cache: HF_HUB_OFFLINE=1 uses that.`, { cause: error });
}

async function offlineFolder(hub: Hub, cache: HubCache): Promise<string> {
  const where = `${nameOf(hub)}: HF_HUB_OFFLINE is set`;
  const commit = await cache.knownCommit(hub.revision);
  if (!commit) {
    throw new InputError(
      `${where} and revision "${hub.revision}" is not in "${cache.folder}"; expected it there. Download it once without HF_HUB_OFFLINE, or name a commit that is there.`,
    );
  }
  const missing = await missingNames(hub, cache, commit);
  if (missing.length === 0) return cache.snapshotFolder(commit);
  throw new InputError(
    `${where} and "${cache.snapshotFolder(commit)}" lacks ${missing.join(', ')}; expected every file. Download it once without HF_HUB_OFFLINE.`,
  );
}

async function missingNames(hub: Hub, cache: HubCache, commit: string): Promise<readonly string[]> {
  const listing = await knownListing(cache, commit);
  if (listing) return (await missingFiles(cache, hub, listing))?.map(({ name }) => name) ?? [SHARD_INDEX];
  // Another tool's download, which may lack what that tool had no use for.
  const files = await folderFiles(cache.snapshotFolder(commit));
  const isSharded = !(await files.has(SINGLE_FILE)) && (await files.has(SHARD_INDEX));
  const needed = [
    'config.json',
    'tokenizer.json',
    ...(isSharded ? await readShardNames(files) : [SINGLE_FILE]),
  ];
  const found = await Promise.all(needed.map((name) => files.has(name)));
  return needed.filter((_, i) => !found[i]);
}
