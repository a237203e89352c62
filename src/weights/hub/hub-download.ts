import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { rename } from 'node:fs/promises';
import { AbortError, WeightError } from '../../core/errors.ts';
import { withDiskErrors } from './disk-errors.ts';
import type { HubCache } from './hub-cache.ts';
import type { HubFile } from './hub-listing.ts';
import { type Hub, PassingError, RangesIgnored, requestHub, withRetries } from './hub-request.ts';
import { inParallel } from './in-parallel.ts';
import { openPartialFile, type PartialFile, removeJournal, removePartialFile } from './partial-file.ts';
import type { Span } from './spans.ts';

/** Where a download tells how far it is, in bytes; negative when a damaged file was thrown away. */
export interface DownloadMeter {
  received(bytes: number): void;
  checked(bytes: number): void;
}

/** One file on its way into the cache. */
export interface Download {
  readonly hub: Hub;
  readonly cache: HubCache;
  readonly commit: string;
  readonly file: HubFile;
  readonly meter: DownloadMeter;
}

/** A second copy that is damaged in transit too is damaged where it comes from. */
const MAX_COPIES = 2;
/** What is gathered before it is written: so many bytes, or what came in so long over a slow line. */
const BLOCK_BYTES = 2 ** 20;
const BLOCK_MS = 500;

/**
 * Brings a file into `blobs`, checked against its hash; what an earlier download left is used. `meter` must have been
 * told of that already. Throws InputError, WeightError when it comes damaged twice, AbortError; what came stays for
 * the next time, outside of `blobs` under the file's own name.
 */
export async function downloadBlob(download: Download, signal: AbortSignal): Promise<void> {
  const { hub, cache, file, meter } = download;
  const path = cache.partialPath(file.hash);
  for (let copy = 1; ; copy++) {
    await transfer(download, path, signal);
    const digest = await hashOf(path, file, meter, signal);
    if (digest === file.hash) break;
    await removePartialFile(path);
    meter.received(-file.byteLength);
    meter.checked(-file.byteLength);
    if (copy < MAX_COPIES) continue;
    const kind = file.isSha256 ? 'SHA-256' : 'git hash';
    throw new WeightError(
      `hub model "${hub.id}": ${file.name} came damaged ${MAX_COPIES} times: its ${kind} is ${digest}; expected ${file.hash}. It was removed. Try again, over another network if there is one.`,
    );
  }
  await withDiskErrors(path, () => rename(path, cache.blobPath(file.hash)));
  await removeJournal(path);
}

/** Git names a blob by the SHA-1 of a header and the bytes. */
async function hashOf(
  path: string,
  { isSha256, byteLength }: HubFile,
  meter: DownloadMeter,
  signal: AbortSignal,
): Promise<string> {
  const hash = isSha256 ? createHash('sha256') : createHash('sha1').update(`blob ${byteLength}\0`);
  try {
    for await (const block of createReadStream(path, { highWaterMark: BLOCK_BYTES, signal })) {
      hash.update(block as Buffer);
      meter.checked((block as Buffer).byteLength);
    }
  } catch (cause) {
    if (signal.aborted) throw new AbortError('hub: the download was aborted', { cause });
    throw cause;
  }
  return hash.digest('hex');
}

async function transfer(download: Download, path: string, signal: AbortSignal): Promise<void> {
  const { transfer: how } = download.hub;
  const { byteLength } = download.file;
  const partial = await openPartialFile(path, byteLength);
  try {
    await inParallel(partial.missing(how.rangeBytes), how.ranges, signal, (span, stop) =>
      fetchSpan(download, partial, span, stop),
    ).catch(async (error: unknown) => {
      if (!(error instanceof RangesIgnored)) throw error;
      await fetchAll(download, partial, signal);
    });
    // What came in one stream grew in order: after a power cut its length tells whether it is whole.
    if (byteLength > how.rangeBytes) await partial.flush();
  } finally {
    await partial.close();
  }
}

/** A part of the file. After a cut it goes on from the last byte that came. Throws RangesIgnored. */
async function fetchSpan(
  download: Download,
  partial: PartialFile,
  { begin, end }: Span,
  signal: AbortSignal,
): Promise<void> {
  const { hub, file } = download;
  let next = begin;
  const { attempts } = hub.transfer;
  await withRetries(hub, { what: file.name, attempts, signal, progress: () => next }, () => {
    const isWhole = next === 0 && end === file.byteLength;
    const headers: Record<string, string> = isWhole ? {} : { Range: `bytes=${next}-${end - 1}` };
    return requestHub(hub, { ...requestOf(download, signal), headers }, async (response, alive) => {
      if (!isWhole) checkRange(response, { begin: next, end }, download);
      const onStored = (reached: number): void => {
        next = reached;
      };
      await store(download, partial, response, { begin: next, end }, { alive, onStored });
    });
  });
}

/** The whole file in one stream, from its start at every try: there is no other way from a server without ranges. */
async function fetchAll(download: Download, partial: PartialFile, signal: AbortSignal): Promise<void> {
  const { hub, file } = download;
  const { attempts } = hub.transfer;
  await withRetries(hub, { what: file.name, attempts, signal, progress: () => partial.coveredBytes }, () =>
    requestHub(hub, requestOf(download, signal), (response, alive) =>
      store(download, partial, response, { begin: 0, end: file.byteLength }, { alive }),
    ),
  );
}

const requestOf = ({ hub, commit, file }: Download, signal: AbortSignal) => ({
  path: `${hub.id}/resolve/${commit}/${encodeURIComponent(file.name)}`,
  what: file.name,
  signal,
});

function checkRange(response: Response, { begin, end }: Span, { hub, file }: Download): void {
  const expected = `bytes ${begin}-${end - 1}/${file.byteLength}`;
  const found = response.headers.get('content-range');
  if (response.status === 206 && found === expected) return;
  throw new WeightError(
    `hub model "${hub.id}": ${file.name}: the server sent ${response.status} with Content-Range "${found ?? ''}"; expected "${expected}". The server is wrong: check HF_ENDPOINT.`,
  );
}

interface StoreEvents {
  alive(): void;
  /** Up to which byte of the file this answer is stored. */
  onStored?(reached: number): void;
}

/** Writes an answer's bytes where they belong, as they come. */
async function store(
  { hub, file, meter }: Download,
  partial: PartialFile,
  response: Response,
  { begin, end }: Span,
  { alive, onStored }: StoreEvents,
): Promise<void> {
  let reached = begin;
  let block: Uint8Array[] = [];
  let blockBytes = 0;
  let writtenAtMs = performance.now();
  const writeBlock = async (): Promise<void> => {
    const bytes = Buffer.concat(block);
    block = [];
    blockBytes = 0;
    writtenAtMs = performance.now();
    if (bytes.byteLength > 0) meter.received(await partial.write(reached, bytes));
    reached += bytes.byteLength;
    onStored?.(reached);
  };
  const reader = response.body?.getReader();
  try {
    for (let part = await reader?.read(); part?.value !== undefined; part = await reader?.read()) {
      alive();
      block.push(part.value);
      blockBytes += part.value.byteLength;
      if (reached + blockBytes > end) {
        block = [];
        throw new WeightError(
          `hub model "${hub.id}": ${file.name}: the server sent more than ${end - begin} bytes from byte ${begin} on; expected no more. The server is wrong: check HF_ENDPOINT.`,
        );
      }
      if (blockBytes >= BLOCK_BYTES || performance.now() - writtenAtMs > BLOCK_MS) await writeBlock();
    }
  } finally {
    // What came before a cut is not asked for again.
    await writeBlock();
  }
  if (reached < end) {
    throw new PassingError(
      `the connection was cut after ${partial.coveredBytes} of ${file.byteLength} bytes`,
    );
  }
}
