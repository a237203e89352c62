import { type FileHandle, mkdir, open, readFile, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { withDiskErrors } from './disk-errors.ts';
import { addSpan, coveredBytes, missingSpans, type Span } from './spans.ts';

/** A file that is written in parts and in any order, and knows after a crash which parts it has. */
export interface PartialFile {
  readonly coveredBytes: number;
  /** What is not there yet, in parts of at most `maxBytes`. */
  missing(maxBytes: number): Span[];
  /** Gives how many of the bytes were not there before. Throws InputError when the disk refuses. */
  write(offset: number, bytes: Uint8Array): Promise<number>;
  /** Everything written is on the disk afterwards, not only on its way there. */
  flush(): Promise<void>;
  close(): Promise<void>;
}

/** One line, `BEGIN END`, for every part, written after the part itself. */
const journalPath = (path: string): string => `${path}.spans`;

/** Opens or makes the file at `path` and its journal beside it. Throws InputError when the disk refuses. */
export async function openPartialFile(path: string, byteLength: number): Promise<PartialFile> {
  const handles: FileHandle[] = [];
  const close = async (): Promise<void> => {
    await Promise.all(handles.splice(0).map((handle) => handle.close()));
  };
  try {
    await mkdir(dirname(path), { recursive: true });
    // Not 'r+' alone, which makes no file, and not 'w+', which empties one.
    const data = await open(path, 'r+').catch(() => open(path, 'w+'));
    handles.push(data);
    const { size } = await data.stat();
    let spans = await readJournal(path, Math.min(size, byteLength));
    const journal = await open(journalPath(path), 'a');
    handles.push(journal);
    // Ends a line that a crash may have cut.
    await journal.write('\n');
    return {
      get coveredBytes() {
        return coveredBytes(spans);
      },
      missing: (maxBytes) => missingSpans(spans, byteLength, maxBytes),
      async write(offset, bytes) {
        await withDiskErrors(path, async () => {
          await writeAll(data, bytes, offset);
          await journal.write(`${offset} ${offset + bytes.byteLength}\n`);
        });
        const before = coveredBytes(spans);
        spans = addSpan(spans, { begin: offset, end: offset + bytes.byteLength });
        return coveredBytes(spans) - before;
      },
      flush: () => withDiskErrors(path, () => data.datasync()),
      close,
    };
  } catch (error) {
    await close();
    return withDiskErrors(path, () => Promise.reject(error));
  }
}

/** How many bytes an earlier download left at `path`. */
export async function partialBytes(path: string, byteLength: number): Promise<number> {
  const size = (await stat(path).catch(() => undefined))?.size ?? 0;
  return coveredBytes(await readJournal(path, Math.min(size, byteLength)));
}

/** Forgets a partial file and what is known of it; a journal without its file would claim bytes that are not there. */
export async function removePartialFile(path: string): Promise<void> {
  await removeJournal(path);
  await rm(path, { force: true });
}

export const removeJournal = (path: string): Promise<void> => rm(journalPath(path), { force: true });

/** Parts that lie within the `byteLength` bytes there are: after a power cut the journal may know more than the disk. */
async function readJournal(path: string, byteLength: number): Promise<Span[]> {
  const text = await readFile(journalPath(path), 'utf8').catch(() => '');
  let spans: Span[] = [];
  for (const [, begin, end] of text.matchAll(/^(\d{1,15}) (\d{1,15})\n/gm)) {
    spans = addSpan(spans, { begin: Number(begin), end: Math.min(Number(end), byteLength) });
  }
  return spans;
}

/** A full disk may take a part of the bytes and say so only at the next write. */
async function writeAll(handle: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.byteLength; ) {
    const { bytesWritten } = await handle.write(bytes, done, bytes.byteLength - done, position + done);
    done += bytesWritten;
  }
}
