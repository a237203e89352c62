import { InputError } from '../core/errors.ts';
import { type CheckpointFiles, urlFiles } from '../weights/checkpoint-files.ts';

/** A variable, since bundlers take `new URL('...', import.meta.url)` for an asset to copy, and this one is a folder. */
const HERE = import.meta.url;
/** Where the built-in model lies, seen from this file in `src` and in `dist` alike. */
const BUILT_IN = new URL('../../models/demo/', HERE);

/** The files of a checkpoint folder (Node), of an http(s) address, or those given; the built-in model's by default. */
export async function openModelFiles(
  source: string | URL | CheckpointFiles = BUILT_IN,
): Promise<CheckpointFiles> {
  if (typeof source === 'object' && !(source instanceof URL)) return source;
  const url = source instanceof URL ? source : parseUrl(source);
  if (url && url.protocol !== 'file:') return urlFiles(url);
  if (typeof process === 'undefined' || !process.versions?.node) {
    throw new InputError(
      `model "${source}": a page cannot open folders; expected an http(s) address or files in memory.`,
    );
  }
  const { folderFiles } = await import('../weights/checkpoint-folder.ts');
  return folderFiles(url ?? String(source));
}

const parseUrl = (source: string): URL | null =>
  /^[a-z][a-z0-9+.-]*:\/\//i.test(source) ? new URL(source) : null;
