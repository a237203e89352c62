import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { replaceFile } from '../core/replace-file.ts';
import { cacheFolder } from '../device/cache-folder.ts';

/** Embeddings of pictures on disk, one file each, by what the picture file holds. Node only. */
export interface EmbeddingCache {
  readonly folder: string;
  /** undefined where there is none, or the file is not of this length or no unit vector. */
  get(contentHash: string): Promise<Float32Array | undefined>;
  /** Written whole or not at all. Throws the file system's errors. */
  put(contentHash: string, embedding: Float32Array): Promise<void>;
}

/** Of one model, by its `modelIdentity`; a picture that is moved keeps its embedding, one that is changed has a new one. */
export function embeddingCache(
  identity: string,
  embeddingSize: number,
  root: string = cacheFolder(),
): EmbeddingCache {
  const folder = join(root, 'embeddings', identity);
  // Folders of a few thousand files are slow on some systems.
  const pathOf = (contentHash: string): string => join(folder, contentHash.slice(0, 2), `${contentHash}.f32`);
  return {
    folder,
    async get(contentHash) {
      const bytes = await readIfThere(pathOf(contentHash));
      return bytes && decode(bytes, embeddingSize);
    },
    async put(contentHash, embedding) {
      const path = pathOf(contentHash);
      await mkdir(dirname(path), { recursive: true });
      await replaceFile(path, (staging) => writeFile(staging, encode(embedding)));
    },
  };
}

/** Little-endian, whatever the machine is. */
function encode(embedding: Float32Array): Uint8Array {
  const view = new DataView(new ArrayBuffer(embedding.byteLength));
  embedding.forEach((value, i) => {
    view.setFloat32(i * Float32Array.BYTES_PER_ELEMENT, value, true);
  });
  return new Uint8Array(view.buffer);
}

/** How far a unit vector's length may be from 1 after rounding. */
const UNIT_TOLERANCE = 1e-3;

function decode(bytes: Uint8Array, size: number): Float32Array | undefined {
  if (bytes.byteLength !== size * Float32Array.BYTES_PER_ELEMENT) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const values = Float32Array.from({ length: size }, (_, i) =>
    view.getFloat32(i * Float32Array.BYTES_PER_ELEMENT, true),
  );
  const length = Math.sqrt(values.reduce((sum, value) => sum + value * value, 0));
  return Math.abs(length - 1) < UNIT_TOLERANCE ? values : undefined;
}

async function readIfThere(path: string): Promise<Uint8Array | undefined> {
  try {
    return await readFile(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
