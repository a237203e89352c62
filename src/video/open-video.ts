import { InputError, UnsupportedError } from '../core/errors.ts';
import { type FetchLimits, fetchBytes } from '../image/fetch-bytes.ts';
import { isNode } from '../image/import-hidden.ts';
import type { PictureSource } from '../image/load-picture.ts';
import { checkEnd, endsOf, type FileEnds, HEAD_BYTES, TAIL_BYTES } from './file-end.ts';
import { openMovie } from './movie.ts';
import { openPictures } from './picture-list.ts';
import { createVideo, type FrameSource, type Video } from './video.ts';
import type { VideoFile, VideoLimits } from './video-file.ts';

/**
 * A file by path (Node), http(s) or file URL, bytes or Blob; a folder of pictures by path (Node); or the pictures
 * themselves, in order.
 */
export type VideoSource = string | URL | Uint8Array | Blob | readonly PictureSource[];

/** Limits of a video and of its download, and the rate of one that is made of pictures. */
export type OpenVideoOptions = VideoLimits &
  FetchLimits & {
    /** How fast pictures of a folder or an array follow one another; clips know it themselves. Without it they have no times. */
    readonly fps?: number;
  };

/** Videos are larger than pictures. */
const DEFAULT_MAX_BYTES = 512 * 2 ** 20;

/**
 * Opens an MP4, MOV, WebM, Matroska, GIF or WebP file, or pictures in a row. Headers are read, frames are not: those
 * come from `frames`, one at a time.
 * Throws InputError when it cannot be read, is damaged, holds no frames or is over a limit; UnsupportedError for other
 * formats and codecs, and where the packages that decode are not installed.
 */
export async function openVideo(source: VideoSource, options: OpenVideoOptions = {}): Promise<Video> {
  return createVideo(await openSource(source, options));
}

async function openSource(source: VideoSource, options: OpenVideoOptions): Promise<FrameSource> {
  if (Array.isArray(source)) {
    return openPictures('pictures', source, options.fps ?? null, options);
  }
  const given = source as Exclude<VideoSource, readonly PictureSource[]>;
  if (given instanceof Blob) {
    const name = 'name' in given && typeof given.name === 'string' ? given.name : 'blob';
    const key = given.size > MAX_HASHED_BYTES ? null : await hash(new Uint8Array(await given.arrayBuffer()));
    const file = { name, key, data: given, byteLength: given.size, limits: options };
    return openFile(file, await blobEnds(given));
  }
  if (given instanceof Uint8Array) return openBytes('bytes', given, options);
  const url = toUrl(given);
  if (url && url.protocol !== 'file:') {
    const limits = { maxBytes: DEFAULT_MAX_BYTES, ...options };
    return openBytes(url.href, await fetchBytes(url, limits, 'video'), options);
  }
  if (!isNode) {
    throw new InputError(`video "${given}": a page cannot read files by path. Pass a Blob or a URL.`);
  }
  const { readEntry } = await import('./path-node.ts');
  const entry = await readEntry(url ?? String(given));
  const { path: name } = entry;
  if (entry.kind === 'folder') return openPictures(name, entry.pictures, options.fps ?? null, options);
  const { key, ends } = entry;
  return openFile({ name, key, data: name, byteLength: ends.byteLength, limits: options }, ends);
}

const blobEnds = async (blob: Blob): Promise<FileEnds> => ({
  head: new Uint8Array(await blob.slice(0, HEAD_BYTES).arrayBuffer()),
  tail: new Uint8Array(await blob.slice(-TAIL_BYTES).arrayBuffer()),
  byteLength: blob.size,
});

async function openBytes(name: string, bytes: Uint8Array, limits: VideoLimits): Promise<FrameSource> {
  const data =
    bytes.buffer instanceof ArrayBuffer ? (bytes as Uint8Array<ArrayBuffer>) : new Uint8Array(bytes);
  const key = bytes.length > MAX_HASHED_BYTES ? null : await hash(data);
  return openFile({ name, key, data, byteLength: bytes.length, limits }, endsOf(bytes));
}

/** Hashing more would take longer than what a known video saves. */
const MAX_HASHED_BYTES = 64 * 2 ** 20;

async function hash(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
  return `video:${Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('')}`;
}

/** By the first bytes, since names lie. */
async function openFile(file: VideoFile, ends: FileEnds): Promise<FrameSource> {
  if (ends.byteLength === 0)
    throw new InputError(`video "${file.name}": it is empty; expected a video file.`);
  const text = String.fromCharCode(...ends.head);
  if (text.startsWith('\x89PNG') || text.startsWith('\xff\xd8\xff')) {
    throw new UnsupportedError(
      `video "${file.name}": it is a single picture; expected a clip. Pass it as an image, or several in an array or a folder.`,
    );
  }
  checkEnd(file.name, ends);
  const type = text.startsWith('GIF8') ? 'image/gif' : text.startsWith('WEBP', 8) ? 'image/webp' : null;
  if (type === null) return openMovie(file);
  if (isNode) return (await import('./animation-node.ts')).openAnimationInNode(file);
  return (await import('./animation-browser.ts')).openAnimationInBrowser(file, type);
}

/** A string with a scheme is a URL; without one it is a path in Node, and relative to the page in a browser. */
function toUrl(source: string | URL): URL | null {
  if (source instanceof URL) return source;
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(source)) {
    if (URL.canParse(source)) return new URL(source);
    throw new InputError(`video "${source}": it is not a valid URL.`);
  }
  return isNode ? null : new URL(source, globalThis.location.href);
}
