import { InputError } from '../core/errors.ts';

/** First and last bytes of a file. */
export interface FileEnds {
  /** At least {@link HEAD_BYTES}, where the file has so many. */
  readonly head: Uint8Array;
  readonly tail: Uint8Array;
  readonly byteLength: number;
}

/** Tells the formats apart, and reaches the size of a Matroska segment. */
export const HEAD_BYTES = 96;
export const TAIL_BYTES = 16;

/** Ends of what is in memory. */
export const endsOf = (bytes: Uint8Array): FileEnds => ({
  head: bytes.subarray(0, HEAD_BYTES),
  tail: bytes.subarray(-TAIL_BYTES),
  byteLength: bytes.length,
});

/**
 * Throws InputError for a GIF or Matroska file that was cut off: both decode up to the cut without a word. MP4 says
 * where each frame is, and WebP how long it is, so their decoders notice.
 */
export function checkEnd(name: string, { head, tail, byteLength }: FileEnds): void {
  const announced = matroskaLength(head);
  if (announced !== null && announced > byteLength) {
    throw new InputError(
      `video "${name}": it is ${byteLength} bytes long, its header says ${announced}; expected a whole file. Save or download it again.`,
    );
  }
  const isGif = String.fromCharCode(...head.subarray(0, 4)) === 'GIF8';
  // Writers may pad with zeros behind the trailer.
  if (isGif && tail.findLast((byte) => byte !== 0) !== GIF_TRAILER) {
    throw new InputError(
      `video "${name}": it lacks a GIF's end mark; expected a whole file. Save or download it again.`,
    );
  }
}

const GIF_TRAILER = 0x3b;

/** RFC 8794, section 5, and RFC 9559, section 5.1: the EBML header, then one segment. Null where it isn't said. */
function matroskaLength(head: Uint8Array): number | null {
  const header = elementAt(head, 0, 0x1a45dfa3);
  const segment = header === null ? null : elementAt(head, header.end, 0x18538067);
  return segment === null ? null : segment.end;
}

/** An element with an identifier of 4 bytes. Null where there is none, or of unknown size. */
function elementAt(bytes: Uint8Array, offset: number, id: number): { readonly end: number } | null {
  if (offset + 5 > bytes.length) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint32(offset) !== id) return null;
  const begin = offset + 4;
  // The number of leading zero bits is that of further bytes.
  const width = Math.clz32(bytes[begin] ?? 0) - 24 + 1;
  if (width > 8 || begin + width > bytes.length) return null;
  const digits = bytes.subarray(begin, begin + width);
  const isUnknown = digits[0] === 2 ** (9 - width) - 1 && digits.subarray(1).every((byte) => byte === 0xff);
  if (isUnknown) return null;
  const size = digits.reduce((sum, byte, i) => sum * 256 + (i === 0 ? byte - 2 ** (8 - width) : byte), 0);
  return { end: begin + width + size };
}
