import { createHash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { EngineError, InputError } from '../core/errors.ts';
import { throwIfAborted } from '../generate/abort.ts';
import { decodePicture } from '../image/decode.ts';
import type { Picture } from '../image/picture.ts';
import type { ContrastiveModel } from './contrastive-model.ts';
import type { EmbeddingCache } from './embedding-cache.ts';
import type { FoundPictures, Skipped } from './find-pictures.ts';

export interface IndexedPicture {
  readonly path: string;
  /** Unit vector. */
  readonly embedding: Float32Array;
}

export interface PictureIndex {
  readonly pictures: readonly IndexedPicture[];
  /** What could not be read or decoded. */
  readonly skipped: readonly Skipped[];
  /** Pictures that went through the model; the rest came from the cache, or are copies of one that did. */
  readonly encoded: number;
  /** Why embeddings could not be kept, where that failed. */
  readonly cacheProblem: string | undefined;
}

export interface IndexOptions {
  readonly signal?: AbortSignal | undefined;
  /** After every picture that is known, and every batch. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
}

/** Files that are not yet in the cache and hold the same bytes. */
interface Pending {
  readonly hash: string;
  readonly paths: readonly string[];
}

/**
 * Embeddings of all pictures found: from the cache where it has them, else made in batches and put there at once, so that
 * an interrupted run is not lost. Node only. Throws AbortError when the signal fires.
 */
export async function indexPictures(
  found: FoundPictures,
  model: Pick<ContrastiveModel, 'embedImage' | 'maxImageBatch'>,
  cache: Pick<EmbeddingCache, 'get' | 'put'>,
  { signal, onProgress }: IndexOptions = {},
): Promise<PictureIndex> {
  const total = found.paths.length;
  const pictures: IndexedPicture[] = [];
  const skipped: Skipped[] = [...found.skipped];
  const skip = (path: string, error: unknown): void => {
    skipped.push({ path, problem: reasonOf(error) });
  };
  const report = (): void => onProgress?.(Math.min(pictures.length + skipped.length, total), total);

  let cacheProblem: string | undefined;
  const cached = (hash: string): Promise<Float32Array | undefined> =>
    cache.get(hash).catch((error: unknown) => {
      cacheProblem = reasonOf(error);
      return undefined;
    });

  const unknown = new Map<string, string[]>();
  for (const path of found.paths) {
    throwIfAborted(signal);
    try {
      const hash = hashOf(await readPictureFile(path));
      const embedding = await cached(hash);
      if (embedding) pictures.push({ path, embedding });
      else unknown.set(hash, [...(unknown.get(hash) ?? []), path]);
    } catch (error) {
      skip(path, error);
    }
    report();
  }

  let encoded = 0;
  const pending = [...unknown].map(([hash, paths]): Pending => ({ hash, paths }));
  for (let begin = 0; begin < pending.length; begin += model.maxImageBatch) {
    throwIfAborted(signal);
    const batch = await decodeBatch(pending.slice(begin, begin + model.maxImageBatch), skip);
    const embeddings = await model.embedImage(
      batch.map(({ picture }) => picture),
      { signal },
    );
    for (const [i, { hash, paths }] of batch.entries()) {
      const embedding = embeddings[i];
      if (!embedding) continue;
      for (const path of paths) pictures.push({ path, embedding });
      await cache.put(hash, embedding).catch((error: unknown) => {
        cacheProblem = reasonOf(error);
      });
    }
    encoded += batch.length;
    report();
  }
  return { pictures, skipped, encoded, cacheProblem };
}

interface DecodedPicture extends Pending {
  readonly picture: Picture;
}

/** Those of a batch that decode and are still what they were when they were first read. */
async function decodeBatch(
  batch: readonly Pending[],
  skip: (path: string, error: unknown) => void,
): Promise<DecodedPicture[]> {
  const decoded: DecodedPicture[] = [];
  for (const { hash, paths } of batch) {
    const [first = ''] = paths;
    try {
      const bytes = await readPictureFile(first);
      if (hashOf(bytes) !== hash) {
        throw new InputError(
          `picture "${first}": changed while it was read; expected a file at rest. Run again.`,
        );
      }
      decoded.push({ hash, paths, picture: await decodePicture(bytes, { name: first }) });
    } catch (error) {
      // Anything but an error made on purpose is a fault of the engine's.
      if (!(error instanceof EngineError) || error.code === 'internal') throw error;
      for (const path of paths) skip(path, error);
    }
  }
  return decoded;
}

const hashOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** Over any camera's pictures, under what would exhaust memory; a name that ends in .jpg promises nothing. */
const MAX_FILE_BYTES = 256 * 2 ** 20;

async function readPictureFile(path: string): Promise<Uint8Array> {
  try {
    const stats = await stat(path);
    // A device or a pipe may never end.
    if (!stats.isFile()) throw new Error('it is not a regular file');
    if (stats.size > MAX_FILE_BYTES)
      throw new Error(`it has ${stats.size} bytes, the limit is ${MAX_FILE_BYTES}`);
    return await readFile(path);
  } catch (cause) {
    throw new InputError(
      `picture "${path}": it cannot be read (${reasonOf(cause)}); expected the path of a picture file.`,
      { cause },
    );
  }
}

const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
