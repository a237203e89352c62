import { openRanges, type ReadRange } from './ranges.ts';
import { checkFrameCount, moreThanBytes, type VideoFile } from './video-file.ts';

/** Boxes that hold boxes, on the way to a track's tables. ISO/IEC 14496-12, table 1. */
const CONTAINERS = new Set(['moov', 'trak', 'mdia', 'minf', 'stbl', 'moof', 'traf']);

interface Box {
  readonly type: string;
  /** Of its content. */
  readonly begin: number;
  readonly end: number;
}

/**
 * Throws InputError for an MP4 or MOV file whose video tables announce more samples than are allowed, or than it has
 * bytes: one run of a table says so in 8 bytes, and mediabunny (1.61) writes them out one by one. Sound may have many
 * more, and is never read.
 */
export async function checkSampleCounts(file: VideoFile): Promise<void> {
  const { name, byteLength, limits } = file;
  const check = (count: number): void => {
    if (count > byteLength) throw moreThanBytes(name, count, byteLength);
    checkFrameCount(name, limits, count);
  };
  const { read, close } = await openRanges(file);
  let isVideo = true;
  const walk = async (parent: string, begin: number, end: number): Promise<void> => {
    for (let box = await boxAt(read, begin, end); box; box = await boxAt(read, box.end, end)) {
      const { type } = box;
      if (type === 'trak' || type === 'traf') isVideo = true;
      if (CONTAINERS.has(type)) await walk(type, box.begin, box.end);
      // The media's handler comes before its tables; MOV has another one in them.
      else if (type === 'hdlr' && parent === 'mdia') isVideo = (await numberAt(read, box, 8)) === VIDEO;
      else if (isVideo && type === 'stsz') check(await numberAt(read, box, 8));
      else if (isVideo && (type === 'stz2' || type === 'trun'))
        check(await numberAt(read, box, type === 'trun' ? 4 : 8));
      else if (isVideo && (type === 'stts' || type === 'ctts')) check(await total(read, box, 8, 0));
      else if (isVideo && type === 'stsc') check(await total(read, box, 12, 4));
    }
  };
  try {
    await walk('', 0, byteLength);
  } finally {
    close();
  }
}

/** The box that begins at `begin`, or null where none fits. Cut-off ones are given up to the cut. */
async function boxAt(read: ReadRange, begin: number, end: number): Promise<Box | null> {
  if (begin + 8 > end) return null;
  const head = viewOf(await read(begin, Math.min(begin + 16, end)));
  const type = String.fromCharCode(...[4, 5, 6, 7].map((i) => head.getUint8(i)));
  const short = head.getUint32(0);
  // 1 stands for a size of 64 bits behind the type, 0 for all the rest.
  const isLong = short === 1 && head.byteLength === 16;
  const size = isLong ? Number(head.getBigUint64(8)) : short === 0 ? end - begin : short;
  const content = begin + (isLong ? 16 : 8);
  return size < content - begin ? null : { type, begin: content, end: Math.min(begin + size, end) };
}

/** An unsigned 32-bit number of the content; 0 beyond it. */
async function numberAt(read: ReadRange, { begin, end }: Box, at: number): Promise<number> {
  return begin + at + 4 > end ? 0 : viewOf(await read(begin + at, begin + at + 4)).getUint32(0);
}

/** `vide`. */
const VIDEO = 0x76696465;

/** Sum of the number at `at` in each of a table's entries, which are `byteLength` long. */
async function total(read: ReadRange, box: Box, byteLength: number, at: number): Promise<number> {
  const first = box.begin + 8;
  const fitting = Math.floor(Math.max(0, box.end - first) / byteLength);
  const entries = Math.min(await numberAt(read, box, 4), fitting);
  if (entries === 0) return 0;
  const table = viewOf(await read(first, first + byteLength * entries));
  let sum = 0;
  for (let entry = 0; entry < entries; entry++) sum += table.getUint32(byteLength * entry + at);
  return sum;
}

const viewOf = (bytes: Uint8Array): DataView =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
