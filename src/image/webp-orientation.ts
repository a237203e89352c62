import { createPicture, type Picture } from './picture.ts';

const ORIENTATION_TAG = 0x0112;

/**
 * EXIF's Orientation of a WebP file, 1 to 8; 1, upright, where it says nothing, or nothing readable.
 * Source: the WebP container specification; EXIF 2.3, sections 4.6.2 and 4.6.4.
 */
export function webpOrientation(webp: Uint8Array): number {
  const exif = findChunk(webp, 'EXIF');
  if (exif === undefined) return 1;
  // Some writers keep the prefix that JPEG needs.
  const tiff = exif.subarray(asciiAt(exif, 0, 4) === 'Exif' ? 6 : 0);
  if (tiff.length < 8) return 1;
  const view = new DataView(tiff.buffer, tiff.byteOffset, tiff.byteLength);
  const isLittleEndian = asciiAt(tiff, 0, 2) === 'II';
  const directory = view.getUint32(4, isLittleEndian);
  if (directory + 2 > tiff.length) return 1;
  const end = Math.min(tiff.length, directory + 2 + 12 * view.getUint16(directory, isLittleEndian));
  for (let entry = directory + 2; entry + 12 <= end; entry += 12) {
    if (view.getUint16(entry, isLittleEndian) !== ORIENTATION_TAG) continue;
    const value = view.getUint16(entry + 8, isLittleEndian);
    return value >= 1 && value <= 8 ? value : 1;
  }
  return 1;
}

/** Chunks follow the 12 bytes `RIFF size WEBP`: a name, a size, and data padded to even. */
function findChunk(webp: Uint8Array, name: string): Uint8Array | undefined {
  const view = new DataView(webp.buffer, webp.byteOffset, webp.byteLength);
  for (let chunk = 12; chunk + 8 <= webp.length; ) {
    const byteLength = view.getUint32(chunk + 4, true);
    const data = chunk + 8;
    if (asciiAt(webp, chunk, 4) === name) return webp.subarray(data, data + byteLength);
    chunk = data + byteLength + (byteLength % 2);
  }
  return undefined;
}

const asciiAt = (bytes: Uint8Array, begin: number, length: number): string =>
  String.fromCharCode(...bytes.subarray(begin, begin + length));

/** The picture turned upright, by EXIF's Orientation: from 5 on they exchange rows and columns. */
export function turnUpright({ width, height, data }: Picture, orientation: number): Picture {
  const isTransposed = orientation >= 5;
  const fromRight = [2, 3, 7, 8].includes(orientation);
  const fromBottom = [3, 4, 6, 7].includes(orientation);
  const [newWidth, newHeight] = isTransposed ? [height, width] : [width, height];
  const turned = new Uint8Array(data.length);
  let write = 0;
  for (let y = 0; y < newHeight; y++) {
    for (let x = 0; x < newWidth; x++) {
      const [column, row] = isTransposed ? [y, x] : [x, y];
      const pixel = (fromBottom ? height - 1 - row : row) * width + (fromRight ? width - 1 - column : column);
      for (let channel = 0; channel < 3; channel++) turned[write++] = data[3 * pixel + channel] as number;
    }
  }
  return createPicture(newWidth, newHeight, turned);
}
