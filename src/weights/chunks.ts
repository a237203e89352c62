import { invariant } from '../core/errors.ts';
import type { ByteSource } from './byte-source.ts';
import type { TensorEntry } from './safetensors.ts';

/** A run of whole elements of one tensor. */
export interface TensorChunk {
  readonly entry: TensorEntry;
  /** From the start of the tensor's data; a multiple of 8, unless `pieceBytes` says otherwise. */
  readonly offsetBytes: number;
  /** Valid until the next chunk is asked for; a view that may lie unaligned, not to be written to. */
  readonly bytes: Uint8Array;
}

export interface ChunkOptions {
  /** Most bytes of one read; a multiple of 8. 8 MiB unless told. */
  readonly chunkBytes?: number;
  /** Bytes of each chunk of a tensor that has to be cut elsewhere, e.g. between rows; may exceed `chunkBytes`. */
  readonly pieceBytes?: (entry: TensorEntry) => number | undefined;
  readonly signal?: AbortSignal;
}

export const DEFAULT_CHUNK_BYTES = 8 * 2 ** 20;
/** The widest element: chunks cut here hold whole elements of any dtype that loads, at offsets WebGPU can copy to. */
const CHUNK_ALIGNMENT = 8;

/**
 * The bytes of `entries` in file order, a chunk at a time, the next reads under way while one is used: reading overlaps
 * upload, and host memory holds one chunk and as many as the source reads at once, whatever the size of tensors and
 * files. Neighbours in a file share a read, so that hundreds of small tensors do not cost hundreds of requests; a
 * tensor's own chunks come in order. A tensor of no bytes yields nothing. Throws what the sources throw.
 */
export async function* readChunks(
  entries: Iterable<TensorEntry>,
  options: ChunkOptions = {},
): AsyncGenerator<TensorChunk, void, undefined> {
  const { chunkBytes = DEFAULT_CHUNK_BYTES, pieceBytes, signal } = options;
  invariant(chunkBytes > 0 && chunkBytes % CHUNK_ALIGNMENT === 0, `chunks of ${chunkBytes} bytes`);
  const spans = planSpans(entries, chunkBytes, pieceBytes);
  const ahead: Read[] = [];
  const readAhead = (): void => {
    while (ahead.length < (ahead[0]?.span.source.readsAtOnce ?? 1)) {
      const span = spans.next().value;
      if (span === undefined) return;
      const reading = span.source.read(span.offsetBytes, span.byteLength, signal);
      // Marks a rejection as handled: it is thrown at the await below, if the consumer goes on that far.
      reading.catch(() => {});
      ahead.push({ span, reading });
    }
  };

  try {
    readAhead();
    for (let next = ahead[0]; next; next = ahead[0]) {
      const bytes = await next.reading;
      ahead.shift();
      readAhead();
      yield* slicesOf(next.span, bytes);
    }
  } finally {
    // A consumer that stops early may close the sources next: no read may be left running.
    await Promise.allSettled(ahead.map(({ reading }) => reading));
  }
}

interface Read {
  readonly span: Span;
  readonly reading: Promise<Uint8Array>;
}

/** One read: neighbouring pieces of tensors of one source. */
interface Span {
  readonly source: ByteSource;
  readonly offsetBytes: number;
  byteLength: number;
  readonly pieces: Piece[];
}

interface Piece {
  readonly entry: TensorEntry;
  readonly offsetBytes: number;
  readonly byteLength: number;
}

function* planSpans(
  entries: Iterable<TensorEntry>,
  chunkBytes: number,
  pieceBytes: ChunkOptions['pieceBytes'],
): Generator<Span, void, undefined> {
  let span: Span | undefined;
  for (const entry of inFileOrder(entries)) {
    const most = pieceBytes?.(entry) ?? chunkBytes;
    for (let offset = 0; offset < entry.byteLength; offset += most) {
      const piece = {
        entry,
        offsetBytes: offset,
        byteLength: Math.min(most, entry.byteLength - offset),
      };
      if (span && continues(span, piece, chunkBytes)) {
        span.pieces.push(piece);
        span.byteLength += piece.byteLength;
        continue;
      }
      if (span) yield span;
      span = {
        source: entry.source,
        offsetBytes: entry.offsetBytes + offset,
        byteLength: piece.byteLength,
        pieces: [piece],
      };
    }
  }
  if (span) yield span;
}

const continues = (span: Span, piece: Piece, chunkBytes: number): boolean =>
  span.source === piece.entry.source &&
  span.offsetBytes + span.byteLength === piece.entry.offsetBytes + piece.offsetBytes &&
  span.byteLength + piece.byteLength <= chunkBytes;

/** By source, in the order they first occur, then by offset. */
function inFileOrder(entries: Iterable<TensorEntry>): TensorEntry[] {
  const rank = new Map<ByteSource, number>();
  const list = [...entries];
  for (const { source } of list) if (!rank.has(source)) rank.set(source, rank.size);
  const rankOf = (entry: TensorEntry): number => rank.get(entry.source) ?? 0;
  return list.sort((a, b) => rankOf(a) - rankOf(b) || a.offsetBytes - b.offsetBytes);
}

function* slicesOf(span: Span, bytes: Uint8Array): Generator<TensorChunk, void, undefined> {
  let start = 0;
  for (const { entry, offsetBytes, byteLength } of span.pieces) {
    yield { entry, offsetBytes, bytes: bytes.subarray(start, start + byteLength) };
    start += byteLength;
  }
}
