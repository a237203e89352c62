/** Checkpoints of the Hugging Face hub by id, downloaded into the cache that other tools share. Node only. */
import { createHash, randomUUID } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdir, readFile, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { AbortError, InputError, WeightError } from '../core/errors.ts';
import { checkPlainFileName } from './checkpoint-files.ts';
import { type HubCache, hubCache, hubHome } from './hub-cache.ts';
import { isJsonObject } from './strict-json.ts';

export interface HubOptions {
  /** Branch, tag or commit. */
  readonly revision?: string | undefined;
  /** Bytes of all the files that are not in the cache yet. */
  readonly onProgress?: ((progress: { readonly done: number; readonly total: number }) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Where HF_HOME, HF_HUB_CACHE, HF_ENDPOINT, HF_TOKEN and HF_HUB_OFFLINE are read from. */
  readonly env?: NodeJS.ProcessEnv;
}

/** Whether `text` has the form of a hub id: `org/name`. */
export const isHubId = (text: string): boolean => /^[\w][\w.-]{0,95}\/[\w][\w.-]{0,95}$/.test(text);

/**
 * The folder that holds the checkpoint `id`, downloading what is missing: weights, JSON and templates, each checked
 * against the hash the hub gives. With HF_HUB_OFFLINE=1 only the cache is asked.
 * Throws InputError when the hub has no such model, wants a token, or can't be reached; WeightError when a file
 * arrives damaged; AbortError.
 */
export async function hubFolder(id: string, options: HubOptions = {}): Promise<string> {
  const { revision = 'main', env = process.env, signal } = options;
  const cache = hubCache(id, env);
  if (isOffline(env)) return offlineFolder(id, revision, cache);
  const hub: Hub = { id, revision, cache, signal, endpoint: endpointOf(env), token: await readToken(env) };
  const { commit, files } = await readListing(hub);
  await cache.rememberCommit(revision, commit);
  await download(hub, commit, files, options.onProgress);
  return cache.snapshotFolder(commit);
}

interface Hub {
  readonly id: string;
  readonly revision: string;
  readonly cache: HubCache;
  readonly signal: AbortSignal | undefined;
  readonly endpoint: string;
  readonly token: string | undefined;
}

/** `hash` is the file's SHA-256, or for small files its git blob id. */
interface HubFile {
  readonly name: string;
  readonly byteLength: number;
  readonly hash: string;
  readonly isSha256: boolean;
}

/** https://huggingface.co/docs/hub/api: `blobs=true` adds sizes and hashes. */
async function readListing(hub: Hub): Promise<{ commit: string; files: readonly HubFile[] }> {
  const where = `hub model "${hub.id}"`;
  const response = await request(
    hub,
    `api/models/${hub.id}/revision/${encodeURIComponent(hub.revision)}?blobs=true`,
  );
  const listing: unknown = await response.json().catch(() => undefined);
  if (!isJsonObject(listing) || !Array.isArray(listing.siblings) || !isCommit(listing.sha)) {
    throw new InputError(`${where}: ${hub.endpoint} sent no listing; expected a hub. Check HF_ENDPOINT.`);
  }
  const files = listing.siblings.map((sibling) => parseFile(sibling, where)).filter(isNeeded);
  const hasSingleFile = files.some(({ name }) => name === 'model.safetensors');
  return {
    commit: listing.sha,
    // A repository may keep other forms of the same weights beside them.
    files: files.filter(
      ({ name }) => !hasSingleFile || !name.includes('.safetensors') || name === 'model.safetensors',
    ),
  };
}

const isCommit = (value: unknown): value is string =>
  typeof value === 'string' && /^[0-9a-f]{40}$/.test(value);

/** The files in the top folder that a checkpoint is read from. */
const isNeeded = ({ name }: HubFile): boolean => /^[^/]+\.(safetensors|json|jinja)$/.test(name);

function parseFile(sibling: unknown, where: string): HubFile {
  const { rfilename: name, size, blobId, lfs } = isJsonObject(sibling) ? sibling : {};
  const sha256 = isJsonObject(lfs) ? lfs.sha256 : undefined;
  const hash = sha256 ?? blobId;
  const byteLength = isJsonObject(lfs) ? lfs.size : size;
  if (typeof name !== 'string' || typeof byteLength !== 'number' || typeof hash !== 'string') {
    throw new InputError(`${where}: the hub lists a file without name, size or hash; expected all three.`);
  }
  if (!/^[0-9a-f]{40}([0-9a-f]{24})?$/.test(hash)) {
    throw new InputError(`${where}: ${name} has hash "${hash}"; expected 40 or 64 hexadecimal digits.`);
  }
  return { name, byteLength, hash, isSha256: sha256 !== undefined };
}

async function download(
  hub: Hub,
  commit: string,
  files: readonly HubFile[],
  onProgress: HubOptions['onProgress'],
): Promise<void> {
  const missing: HubFile[] = [];
  for (const file of files) {
    checkPlainFileName(file.name, `hub model "${hub.id}"`);
    if (!(await hub.cache.hasFile(commit, file.name))) missing.push(file);
  }
  const total = missing.reduce((sum, { byteLength }) => sum + byteLength, 0);
  let done = 0;
  for (const file of missing) {
    await downloadFile(hub, commit, file, (bytes) => {
      done += bytes;
      onProgress?.({ done, total });
    });
    await hub.cache.linkFile(commit, file.name, file.hash);
  }
}

/** Writes beside the target, then renames: the cache never holds half a file. */
async function downloadFile(hub: Hub, commit: string, file: HubFile, onBytes: (bytes: number) => void) {
  const target = hub.cache.blobPath(file.hash);
  const staging = `${target}.${randomUUID()}.incomplete`;
  const where = `hub model "${hub.id}": ${file.name}`;
  const response = await request(hub, `${hub.id}/resolve/${commit}/${encodeURIComponent(file.name)}`);
  if (!response.body) throw new WeightError(`${where} came empty; expected ${file.byteLength} bytes.`);
  await mkdir(dirname(target), { recursive: true });
  const hash = fileHash(file);
  let received = 0;
  const meter = new Transform({
    transform(chunk: Buffer, _encoding, next) {
      hash.update(chunk);
      received += chunk.byteLength;
      onBytes(chunk.byteLength);
      next(null, chunk);
    },
  });
  try {
    const body = Readable.fromWeb(response.body as import('node:stream/web').ReadableStream);
    await pipeline(body, meter, createWriteStream(staging)).catch((cause: unknown) => {
      throw connectionError(hub, cause, `${where} broke off after ${received} of ${file.byteLength} bytes`);
    });
    const digest = hash.digest('hex');
    if (received !== file.byteLength || digest !== file.hash) {
      throw new WeightError(
        `${where} came as ${received} bytes with hash ${digest}; expected ${file.byteLength} bytes with ${file.hash}. Try again.`,
      );
    }
    await rename(staging, target);
  } finally {
    await rm(staging, { force: true });
  }
}

/** Git names a blob by the SHA-1 of a header and the bytes. */
function fileHash({ isSha256, byteLength }: HubFile) {
  return isSha256 ? createHash('sha256') : createHash('sha1').update(`blob ${byteLength}\0`);
}

/** Redirects to other hosts lose the token, as fetch does by itself. */
async function request(hub: Hub, path: string): Promise<Response> {
  const response = await fetch(`${hub.endpoint}/${path}`, {
    headers: hub.token ? { authorization: `Bearer ${hub.token}` } : {},
    signal: hub.signal ?? null,
  }).catch((cause: unknown) => {
    throw connectionError(hub, cause, `hub model "${hub.id}": ${hub.endpoint} can't be reached`);
  });
  if (!response.ok) throw refusal(hub, response);
  return response;
}

function connectionError({ signal }: Hub, cause: unknown, what: string): Error {
  if (signal?.aborted) return new AbortError('hub: the download was aborted', { cause });
  const { message, cause: inner } = cause as Error;
  const reason = inner instanceof Error ? inner.message || (inner as NodeJS.ErrnoException).code : message;
  return new InputError(
    `${what} (${reason}); expected a connection. Try again, or set HF_HUB_OFFLINE=1 to use what is in the cache, or give a folder.`,
    { cause },
  );
}

/** The hub answers 401 also for what does not exist, so that private names stay private. */
function refusal({ id, endpoint, revision, token }: Hub, { status, headers }: Response): InputError {
  const where = `hub model "${id}"`;
  const code = headers.get('x-error-code');
  if (code === 'GatedRepo' || status === 403) {
    return new InputError(
      `${where}: it is gated (${status}); expected access granted to you. Ask for it on ${endpoint}/${id}, then set HF_TOKEN to a token of yours.`,
    );
  }
  if (code === 'RevisionNotFound') {
    return new InputError(`${where}: has no revision "${revision}"; expected a branch, tag or commit.`);
  }
  if (status === 404 || status === 401) {
    const hint = token ? '' : ' If it is private, set HF_TOKEN.';
    return new InputError(
      `${where}: ${endpoint} has no such model (${status}); expected an id as on its page. Check the spelling.${hint}`,
    );
  }
  return new InputError(`${where}: ${endpoint} answered ${status}; expected 200. Try again later.`);
}

async function offlineFolder(id: string, revision: string, cache: HubCache): Promise<string> {
  const commit = await cache.knownCommit(revision);
  if (commit) return cache.snapshotFolder(commit);
  throw new InputError(
    `hub model "${id}": HF_HUB_OFFLINE is set and revision "${revision}" is not in the cache; expected it there. Download it once without HF_HUB_OFFLINE.`,
  );
}

const isOffline = (env: NodeJS.ProcessEnv): boolean => /^(1|true|yes|on)$/i.test(env.HF_HUB_OFFLINE ?? '');

function endpointOf(env: NodeJS.ProcessEnv): string {
  const endpoint = env.HF_ENDPOINT || 'https://huggingface.co';
  if (!URL.canParse(endpoint) || !/^https?:$/.test(new URL(endpoint).protocol)) {
    throw new InputError(`hub: HF_ENDPOINT is "${endpoint}"; expected an http(s) address.`);
  }
  return endpoint.replace(/\/+$/, '');
}

/** HF_TOKEN, or the token that `hf auth login` leaves in HF_HOME. */
async function readToken(env: NodeJS.ProcessEnv): Promise<string | undefined> {
  if (env.HF_TOKEN) return env.HF_TOKEN;
  const path = join(hubHome(env), 'token');
  const token = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return '';
    throw new InputError(`hub: ${path} can't be read (${error.code}); expected a token. Set HF_TOKEN.`);
  });
  return token.trim() || undefined;
}
