import { WeightError } from '../../core/errors.ts';
import { noWeightsError, SHARD_INDEX, SINGLE_FILE } from '../checkpoint.ts';
import { checkPlainFileName } from '../checkpoint-files.ts';
import { isJsonObject, parseStrictJson, showJson } from '../strict-json.ts';
import { isCommit } from './hub-id.ts';

/** A file of a checkpoint; `hash` is its SHA-256, or for small files its git blob id. */
export interface HubFile {
  readonly name: string;
  readonly byteLength: number;
  readonly hash: string;
  readonly isSha256: boolean;
}

/** The files of one commit that a checkpoint may be read from: those in its top folder that Tessera reads. */
export interface HubListing {
  readonly commit: string;
  readonly files: readonly HubFile[];
  /** All names in the top folder, for messages. */
  readonly names: readonly string[];
}

/** Config, tokenizer, templates and weights. Not the same weights in forms that are not read, nor their indexes. */
const READ_FILE = /^[^/]+\.(safetensors|json|jinja)$/;
const OTHER_INDEX = /\.(bin|h5|msgpack|gguf|onnx)\.index\.json$/;
const isRead = (name: string): boolean => READ_FILE.test(name) && !OTHER_INDEX.test(name);

/**
 * Checks what `GET api/models/ID/revision/REV?blobs=true` answers; `blobs` adds sizes and hashes.
 * https://huggingface.co/docs/hub/api. Throws WeightError for what no hub would send.
 */
export function parseListing(bytes: Uint8Array, where: string): HubListing {
  const listing = parseStrictJson(bytes, `${where}: the listing`);
  if (!isJsonObject(listing) || !Array.isArray(listing.siblings) || !isCommit(listing.sha)) {
    throw new WeightError(
      `${where}: the listing has no "siblings" or no commit; expected that of a hub. Check HF_ENDPOINT.`,
    );
  }
  const siblings = listing.siblings.filter(isJsonObject);
  const names = siblings.map(({ rfilename }) => rfilename).filter((name) => typeof name === 'string');
  const files = siblings
    .filter(({ rfilename }) => typeof rfilename === 'string' && isRead(rfilename))
    .map((sibling) => parseFile(sibling, where));
  return { commit: listing.sha, files, names: names.filter((name) => !name.includes('/')) };
}

/** The part of a listing that is read again, in the hub's own form. */
export const formatListing = ({ commit, files }: HubListing): string =>
  JSON.stringify({
    sha: commit,
    siblings: files.map(({ name, byteLength, hash, isSha256 }) => ({
      rfilename: name,
      ...(isSha256 ? { lfs: { sha256: hash, size: byteLength } } : { size: byteLength, blobId: hash }),
    })),
  });

function parseFile(sibling: Readonly<Record<string, unknown>>, where: string): HubFile {
  const { rfilename, size, blobId, lfs } = sibling;
  const name = String(rfilename);
  checkPlainFileName(name, where);
  const isSha256 = isJsonObject(lfs);
  const [byteLength, hash] = isSha256 ? [lfs.size, lfs.sha256] : [size, blobId];
  if (typeof byteLength !== 'number' || !Number.isSafeInteger(byteLength) || byteLength < 0) {
    throw new WeightError(`${where}: ${name} has size ${showJson(byteLength)}; expected a count of bytes.`);
  }
  const digits = isSha256 ? 64 : 40;
  if (typeof hash !== 'string' || hash.length !== digits || !/^[0-9a-f]+$/.test(hash)) {
    throw new WeightError(
      `${where}: ${name} has hash ${showJson(hash)}; expected ${digits} hexadecimal digits.`,
    );
  }
  return { name, byteLength, hash, isSha256 };
}

/** The index of a sharded checkpoint: it must be read before it is known which files are needed. */
export const shardIndexOf = ({ files }: HubListing): HubFile | undefined =>
  files.some(({ name }) => name === SINGLE_FILE) ? undefined : files.find(({ name }) => name === SHARD_INDEX);

/**
 * What a checkpoint is read from: the single weight file or `shards`, and everything small. A repository may keep
 * other forms of the same weights beside them. Throws WeightError when the weights, or one of
 * the shards, are not there.
 */
export function neededFiles(
  listing: HubListing,
  shards: readonly string[] | undefined,
  where: string,
): readonly HubFile[] {
  const weights = shards ?? [SINGLE_FILE];
  const missing = weights.find((name) => !listing.files.some((file) => file.name === name));
  if (missing === SINGLE_FILE) throw noWeightsError(where, listing.names);
  if (missing !== undefined) {
    throw new WeightError(
      `${where}: ${SHARD_INDEX} names ${missing}, which is not listed; expected every shard. Try another revision.`,
    );
  }
  const isNeeded = ({ name }: HubFile): boolean =>
    weights.includes(name) || !(name.endsWith('.safetensors') || (name === SHARD_INDEX && !shards));
  return listing.files.filter(isNeeded);
}
