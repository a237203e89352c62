import { isNode } from './import-hidden.ts';
import type { Picture } from './picture.ts';
import { type DecodeOptions, pictureName, sniffFormat } from './picture-file.ts';

/**
 * Decodes a PNG, JPEG, WebP or GIF (first frame) as the reference processors see it, that is as Pillow's
 * `ImageOps.exif_transpose(image).convert("RGB")`: EXIF orientation applied, alpha dropped and not blended,
 * palettes expanded, grey repeated, colour profiles ignored. Known differences: transparent pixels of a GIF
 * come out black, where Pillow shows the palette colour behind them; and in a browser, 16-bit grey is scaled
 * to 8 bits where Pillow clips it, and Chromium does not turn a WebP by its EXIF orientation.
 * Throws UnsupportedError for other formats, InputError for damaged files and for too many pixels.
 */
export async function decodePicture(bytes: Uint8Array, options: DecodeOptions = {}): Promise<Picture> {
  const format = sniffFormat(bytes, pictureName(options));
  if (isNode) {
    const { decodeInNode } = await import('./decode-node.ts');
    return decodeInNode(bytes, options);
  }
  const { decodeInBrowser } = await import('./decode-browser.ts');
  return decodeInBrowser(bytes, format, options);
}
