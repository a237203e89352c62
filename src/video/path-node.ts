import { InputError } from '../core/errors.ts';
import { importHidden } from '../image/import-hidden.ts';
import { type FileEnds, HEAD_BYTES, TAIL_BYTES } from './file-end.ts';

/** What stands at a path: a file with its ends, or a folder with its pictures. */
export type PathEntry =
  | { readonly kind: 'file'; readonly path: string; readonly key: string; readonly ends: FileEnds }
  | { readonly kind: 'folder'; readonly path: string; readonly pictures: readonly string[] };

const PICTURE_NAME = /\.(png|jpe?g|webp|gif)$/i;

/** Throws InputError when nothing readable is there, or a folder without pictures. */
export async function readEntry(path: string | URL): Promise<PathEntry> {
  const { open, readdir, stat } = (await importHidden(
    'node:fs/promises',
  )) as typeof import('node:fs/promises');
  const { fileURLToPath } = (await importHidden('node:url')) as typeof import('node:url');
  const { join, resolve } = (await importHidden('node:path')) as typeof import('node:path');
  const plain = path instanceof URL ? fileURLToPath(path) : path;
  try {
    const found = await stat(plain);
    if (found.isDirectory()) {
      const names = (await readdir(plain)).filter((name) => PICTURE_NAME.test(name));
      if (names.length === 0) throw new Error('it is a folder without PNG, JPEG, WebP or GIF files');
      return {
        kind: 'folder',
        path: plain,
        pictures: names.sort(byNumbers).map((name) => join(plain, name)),
      };
    }
    // A device or a pipe may never end.
    if (!found.isFile()) throw new Error('it is neither a regular file nor a folder');
    const file = await open(plain);
    try {
      const read = async (length: number, position: number): Promise<Uint8Array> => {
        const { buffer, bytesRead } = await file.read(new Uint8Array(length), 0, length, position);
        return buffer.subarray(0, bytesRead);
      };
      const { size } = found;
      const ends = {
        head: await read(HEAD_BYTES, 0),
        tail: await read(TAIL_BYTES, Math.max(0, size - TAIL_BYTES)),
        byteLength: size,
      };
      const key = `video:${resolve(plain)}:${size}:${found.mtimeMs}`;
      return { kind: 'file', path: plain, key, ends };
    } finally {
      await file.close();
    }
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new InputError(
      `video "${plain}": it cannot be read (${reason}); expected a video file or a folder of pictures.`,
      { cause },
    );
  }
}

/** frame2 before frame10, the same in every locale. */
const { compare } = new Intl.Collator('en', { numeric: true });
const byNumbers = (a: string, b: string): number => compare(a, b) || (a < b ? -1 : 1);
