import { readFile, stat } from 'node:fs/promises';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { InputError } from '../core/errors.ts';
import { findPictures, type Skipped } from '../embed/find-pictures.ts';
import { isJsonObject, showJson } from '../weights/strict-json.ts';
import type { BatchPicture } from './task.ts';

export interface ListedPictures {
  readonly pictures: readonly BatchPicture[];
  /** Folders that cannot be listed. */
  readonly skipped: readonly Skipped[];
}

/**
 * The pictures of a folder and all folders in it, called by their paths within it; or those of a list, a file of JSON lines
 * `{ "image": PATH or ADDRESS, "id"?: TEXT }`, called by their id, else by what the line says, with paths relative to the list.
 * Throws InputError for what cannot be read, a line that is none of these, and an id that comes twice.
 */
export async function listPictures(source: string): Promise<ListedPictures> {
  const stats = await stat(source).catch((cause: unknown) => {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new InputError(
      `batch "${source}": cannot be read (${reason}); expected a folder of pictures or a list of JSON lines.`,
      { cause },
    );
  });
  if (!stats.isDirectory())
    return { pictures: readList(source, await readFile(source, 'utf8')), skipped: [] };
  const { paths, skipped } = await findPictures(source);
  const pictures = paths.map((path) => ({
    id: relative(source, path).split(sep).join('/'),
    image: resolve(path),
  }));
  return { pictures, skipped };
}

function readList(source: string, text: string): BatchPicture[] {
  const seen = new Set<string>();
  const pictures: BatchPicture[] = [];
  for (const [i, line] of text.split('\n').entries()) {
    if (line.trim() === '') continue;
    const picture = readLine(line, `list "${source}", line ${i + 1}`, dirname(source));
    if (seen.has(picture.id)) {
      throw new InputError(
        `list "${source}", line ${i + 1}: "${picture.id}" stands there twice; expected an "id" of its own for each.`,
      );
    }
    seen.add(picture.id);
    pictures.push(picture);
  }
  if (pictures.length === 0) throw new InputError(`list "${source}": holds no picture; expected JSON lines.`);
  return pictures;
}

function readLine(line: string, where: string, folder: string): BatchPicture {
  const json = parse(line);
  if (!isJsonObject(json) || typeof json.image !== 'string' || json.image === '')
    throw new InputError(`${where}: is ${showJson(json ?? line)}; expected { "image": PATH or ADDRESS }.`);
  const { image, id = image } = json;
  if (typeof id !== 'string' || id === '')
    throw new InputError(`${where}: "id" is ${showJson(id)}; expected a text.`);
  return { id, image: /^[a-z][a-z0-9+.-]*:\/\//i.test(image) ? image : resolve(join(folder), image) };
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
