import { importHidden } from '../image/import-hidden.ts';
import type { VideoFile } from './video-file.ts';

/** Reads bytes `begin` to `end`, which lie within the file. */
export type ReadRange = (begin: number, end: number) => Uint8Array | Promise<Uint8Array>;

/** Headers are read a few bytes at a time. */
const BLOCK_BYTES = 2 ** 18;
const MAX_BLOCKS = 4;

/** A damaged file can send mediabunny (1.61) round in circles over the same few bytes, for ever. */
const MAX_REPEATS = 1000;

/** A file read by ranges. */
export interface Ranges {
  readonly read: ReadRange;
  readonly close: () => void;
}

/** A file as mediabunny reads it, with at most a mebibyte of it kept, and an end to reading in circles. */
export async function openRanges(file: VideoFile): Promise<Ranges> {
  const { read, close } = await openReader(file);
  let last = '';
  let repeats = 0;
  return {
    read(begin, end) {
      const range = `${begin} ${end}`;
      repeats = range === last ? repeats + 1 : 0;
      last = range;
      if (repeats > MAX_REPEATS) throw new Error(`nothing readable follows byte ${begin}`);
      return read(begin, end);
    },
    close,
  };
}

async function openReader({ data, byteLength }: VideoFile): Promise<Ranges> {
  if (data instanceof Uint8Array) {
    return { read: (begin, end) => data.subarray(begin, end), close: () => {} };
  }
  if (data instanceof Blob) {
    const read = async (begin: number, end: number) =>
      new Uint8Array(await data.slice(begin, end).arrayBuffer());
    return { read: inBlocks(read, byteLength), close: () => {} };
  }
  const { open } = (await importHidden('node:fs/promises')) as typeof import('node:fs/promises');
  const handle = await open(data);
  const read = async (begin: number, end: number): Promise<Uint8Array> => {
    const { buffer, bytesRead } = await handle.read(new Uint8Array(end - begin), 0, end - begin, begin);
    if (bytesRead < end - begin) throw new Error(`the file ends at byte ${begin + bytesRead}`);
    return buffer;
  };
  return { read: inBlocks(read, byteLength), close: () => void handle.close() };
}

/** Keeps the blocks read last. A range as long as a block or longer is read by itself. */
function inBlocks(read: (begin: number, end: number) => Promise<Uint8Array>, byteLength: number): ReadRange {
  const blocks = new Map<number, Promise<Uint8Array>>();
  const block = (index: number): Promise<Uint8Array> => {
    const begin = index * BLOCK_BYTES;
    const found = blocks.get(index) ?? read(begin, Math.min(begin + BLOCK_BYTES, byteLength));
    blocks.delete(index);
    blocks.set(index, found);
    const [oldest] = blocks.keys();
    if (blocks.size > MAX_BLOCKS && oldest !== undefined) blocks.delete(oldest);
    return found;
  };
  return async (begin, end) => {
    if (end - begin >= BLOCK_BYTES) return read(begin, end);
    const first = Math.floor(begin / BLOCK_BYTES);
    const last = Math.floor((end - 1) / BLOCK_BYTES);
    const offset = first * BLOCK_BYTES;
    const head = await block(first);
    if (first === last) return head.slice(begin - offset, end - offset);
    const joined = new Uint8Array(end - begin);
    joined.set(head.subarray(begin - offset));
    joined.set((await block(last)).subarray(0, end - last * BLOCK_BYTES), last * BLOCK_BYTES - begin);
    return joined;
  };
}
