import { InputError, UnsupportedError } from '../core/errors.ts';

/** What is checked of a picture file before a decoder sees it, the same in Node and in a browser. */
export type PictureFormat = 'png' | 'jpeg' | 'webp' | 'gif';

export type DecodeOptions = {
  /** What error messages call the file. */
  readonly name?: string;
  /** Width times height above which a picture is refused unread. Default {@link DEFAULT_MAX_PIXELS}. */
  readonly maxPixels?: number;
};

/** Pillow's limit against decompression bombs: `1024 * 1024 * 1024 // 4 // 3` doubled, PIL/Image.py. */
export const DEFAULT_MAX_PIXELS = 178_956_970;

const signatures: readonly { readonly format: PictureFormat; readonly at: number; readonly bytes: string }[] =
  [
    { format: 'png', at: 0, bytes: '\x89PNG\r\n\x1a\n' },
    { format: 'jpeg', at: 0, bytes: '\xff\xd8\xff' },
    { format: 'webp', at: 8, bytes: 'WEBP' },
    { format: 'gif', at: 0, bytes: 'GIF8' },
  ];

/**
 * The format by its first bytes; names and media types lie, and a decoder must never be handed SVG or PDF.
 * Throws UnsupportedError for anything but PNG, JPEG, WebP and GIF.
 */
export function sniffFormat(bytes: Uint8Array, name: string): PictureFormat {
  const head = String.fromCharCode(...bytes.subarray(0, 12));
  const found = signatures.find(({ at, bytes: signature }) => head.startsWith(signature, at));
  if (!found) {
    throw new UnsupportedError(
      `picture "${name}": its first bytes (${hex(bytes.subarray(0, 8))}) are those of no picture format read here; expected PNG, JPEG, WebP or GIF.`,
    );
  }
  return found.format;
}

const hex = (bytes: Uint8Array): string =>
  bytes.length === 0 ? 'none' : Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join(' ');

/** Throws InputError when the size a header announces is over the limit. */
export function checkPixelCount(width: number, height: number, options: DecodeOptions): void {
  const maxPixels = options.maxPixels ?? DEFAULT_MAX_PIXELS;
  if (width * height > maxPixels) {
    throw new InputError(
      `picture "${pictureName(options)}": ${width}x${height} is ${width * height} pixels; expected at most ${maxPixels}. Shrink it first, or raise maxPixels.`,
    );
  }
}

export const pictureName = (options: DecodeOptions): string => options.name ?? 'picture';

/** The error for a file that begins like a picture but does not decode. */
export function corruptPicture(options: DecodeOptions, cause: unknown): InputError {
  // Decoders append a trace of their own below the first line.
  const reason = (cause instanceof Error ? cause.message : String(cause)).split('\n')[0];
  return new InputError(
    `picture "${pictureName(options)}": it does not decode (${reason}); expected a whole, undamaged file. Save or download it again.`,
    { cause },
  );
}
