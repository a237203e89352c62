import { describe, expect, it } from 'vitest';
import { InputError, UnsupportedError } from '../../src/core/errors.ts';
import { decodePicture } from '../../src/image/decode.ts';
import { readFixture } from './read-fixture.ts';

type Fixture = {
  readonly name: string;
  readonly file: string;
  readonly width: number;
  readonly height: number;
  readonly rgb: string;
};

const { pictures } = readFixture<{ pictures: readonly Fixture[] }>('pillow-pictures.json');
const bytesOf = (base64: string): Uint8Array => new Uint8Array(Buffer.from(base64, 'base64'));

function fixture(name: string): Uint8Array {
  const found = pictures.find((picture) => picture.name === name);
  if (!found) throw new Error(`no fixture ${name}`);
  return bytesOf(found.file);
}

describe('decodePicture reads what Pillow reads', () => {
  it.each(pictures)('$name', async ({ name, file, width, height, rgb }) => {
    const picture = await decodePicture(bytesOf(file), { name });
    expect([picture.width, picture.height]).toEqual([width, height]);
    expect(Buffer.from(picture.data).toString('base64')).toBe(rgb);
  });
});

/** An 8-bit RGB PNG of 7x5 whose header claims another size; its checksum is made right again. */
function forgedPng(width: number, height: number): Uint8Array {
  const bytes = fixture('rgb.png');
  const view = new DataView(bytes.buffer);
  view.setUint32(16, width);
  view.setUint32(20, height);
  view.setUint32(29, crc32(bytes.subarray(12, 29)));
  return bytes;
}

function crc32(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  }
  return (crc ^ 0xffffffff) >>> 0;
}

describe('decodePicture refuses', () => {
  it('a header over the pixel limit, with the numbers, before decoding', async () => {
    const decoding = decodePicture(forgedPng(30_000, 30_000), { name: 'bomb.png' });
    await expect(decoding).rejects.toThrow(InputError);
    await expect(decoding).rejects.toThrow(
      'picture "bomb.png": 30000x30000 is 900000000 pixels; expected at most 178956970',
    );
  });

  it('a picture over a limit of the caller, and takes one at the limit', async () => {
    const bytes = fixture('rgb.png');
    await expect(decodePicture(bytes, { maxPixels: 34 })).rejects.toThrow(
      '7x5 is 35 pixels; expected at most 34',
    );
    await expect(decodePicture(bytes, { maxPixels: 35 })).resolves.toMatchObject({ width: 7, height: 5 });
  });

  it('a PNG that holds fewer rows than its header says', async () => {
    await expect(decodePicture(forgedPng(7, 50), { name: 'short.png' })).rejects.toThrow(
      /picture "short.png": it does not decode/,
    );
  });

  it.each(['rgb.png', 'smooth.jpg', 'progressive.jpg', 'lossy.webp', 'palette.gif'])(
    '%s cut at any tenth up to four fifths',
    async (name) => {
      const bytes = fixture(name);
      for (let tenth = 2; tenth <= 8; tenth++) {
        const cut = bytes.subarray(0, Math.floor((bytes.length * tenth) / 10));
        await expect(decodePicture(cut, { name }), `${tenth}/10`).rejects.toThrow(
          new RegExp(`^picture "${name}": it does not decode \\(`),
        );
      }
    },
  );

  it.each([
    ['nothing', ''],
    ['text', 'hello, world'],
    ['SVG', '<svg xmlns="http://www.w3.org/2000/svg" width="4" height="4"/>'],
    ['PDF', '%PDF-1.7\n'],
    ['TIFF', 'II*\0\u0008\0\0\0'],
  ])('%s, whatever its name', async (_, text) => {
    const decoding = decodePicture(new TextEncoder().encode(text), { name: 'photo.png' });
    await expect(decoding).rejects.toThrow(UnsupportedError);
    await expect(decoding).rejects.toThrow(/picture "photo.png".*expected PNG, JPEG, WebP or GIF/);
  });
});
