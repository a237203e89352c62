import { InputError } from '../core/errors.ts';
import { decodePicture } from './decode.ts';
import { type FetchLimits, fetchBytes } from './fetch-bytes.ts';
import { importHidden, isNode } from './import-hidden.ts';
import { createPicture, isPicture, type Picture } from './picture.ts';
import type { DecodeOptions } from './picture-file.ts';

/** A path (Node), an http(s) or file URL, an encoded file in memory, or a decoded picture. */
export type PictureSource = string | URL | Uint8Array | Blob | Picture;
/** Limits of a picture: bytes and time of a download and whether it may come from a private network, and pixels. */
export type LoadPictureOptions = FetchLimits & Pick<DecodeOptions, 'maxPixels'>;

/**
 * Reads and decodes a picture from wherever it is.
 * Throws InputError when it cannot be read, is over a limit or is damaged, and UnsupportedError for other
 * formats than PNG, JPEG, WebP and GIF.
 */
export async function loadPicture(source: PictureSource, options: LoadPictureOptions = {}): Promise<Picture> {
  if (isPicture(source)) return createPicture(source.width, source.height, source.data);
  const { name, bytes } = await readSource(source, options);
  return decodePicture(bytes, { name, ...options });
}

type NamedBytes = { readonly name: string; readonly bytes: Uint8Array };

async function readSource(
  source: Exclude<PictureSource, Picture>,
  options: FetchLimits,
): Promise<NamedBytes> {
  if (source instanceof Uint8Array) return { name: 'bytes', bytes: source };
  if (source instanceof Blob) return { name: blobName(source), bytes: await blobBytes(source) };
  const url = toUrl(source);
  if (url && url.protocol !== 'file:') return { name: url.href, bytes: await fetchBytes(url, options) };
  if (!isNode)
    throw new InputError(`picture "${source}": a page cannot read files by path. Pass a Blob or a URL.`);
  return { name: String(source), bytes: await readFileBytes(url ?? String(source)) };
}

const blobName = (blob: Blob): string =>
  'name' in blob && typeof blob.name === 'string' ? blob.name : 'blob';
const blobBytes = async (blob: Blob): Promise<Uint8Array> => new Uint8Array(await blob.arrayBuffer());

/** A string with a scheme is a URL; without one it is a path in Node, and relative to the page in a browser. */
function toUrl(source: string | URL): URL | null {
  if (source instanceof URL) return source;
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(source)) {
    if (URL.canParse(source)) return new URL(source);
    throw new InputError(`picture "${source}": it is not a valid URL.`);
  }
  return isNode ? null : new URL(source, globalThis.location.href);
}

async function readFileBytes(path: string | URL): Promise<Uint8Array> {
  const { readFile, stat } = (await importHidden('node:fs/promises')) as typeof import('node:fs/promises');
  try {
    // A device or a pipe may never end.
    if (!(await stat(path)).isFile()) throw new Error('it is not a regular file');
    return await readFile(path);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new InputError(
      `picture "${path}": it cannot be read (${reason}); expected the path of a picture file.`,
      {
        cause,
      },
    );
  }
}
