import { readdir, stat } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { InputError } from '../core/errors.ts';

/** A file or folder that was left out, and why. */
export interface Skipped {
  readonly path: string;
  readonly problem: string;
}

export interface FoundPictures {
  /** Sorted. */
  readonly paths: readonly string[];
  readonly skipped: readonly Skipped[];
}

const EXTENSIONS: readonly string[] = ['.png', '.jpg', '.jpeg', '.webp', '.gif'];

/**
 * Picture files in a folder and all folders in it, by their extensions. Names that begin with a dot are left out, and
 * links to folders are not followed, which may lead round in circles. Node only.
 * Throws InputError where `folder` cannot be listed or holds none; an inner folder that cannot is skipped.
 */
export async function findPictures(folder: string): Promise<FoundPictures> {
  const paths: string[] = [];
  const skipped: Skipped[] = [];
  const visit = async (inner: string): Promise<void> => {
    for (const entry of await readdir(inner, { withFileTypes: true })) {
      const path = join(inner, entry.name);
      if (entry.name.startsWith('.')) continue;
      if (entry.isDirectory()) {
        await visit(path).catch((error: unknown) => skipped.push({ path, problem: reasonOf(error) }));
      } else if (EXTENSIONS.includes(extname(entry.name).toLowerCase())) {
        // A link that leads nowhere is kept: reading it says so.
        const isFolder = entry.isSymbolicLink() && (await stat(path).catch(() => undefined))?.isDirectory();
        if (!isFolder) paths.push(path);
      }
    }
  };
  try {
    await visit(folder);
  } catch (cause) {
    throw new InputError(
      `folder "${folder}": cannot be listed (${reasonOf(cause)}); expected a folder of pictures. Check the path.`,
      { cause },
    );
  }
  if (paths.length === 0) {
    throw new InputError(
      `folder "${folder}": holds no picture; expected files ending in ${EXTENSIONS.join(', ')}.`,
    );
  }
  return { paths: paths.sort(), skipped };
}

const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
