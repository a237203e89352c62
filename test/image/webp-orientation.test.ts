import { expect, it } from 'vitest';
import { turnUpright, webpOrientation } from '../../src/image/webp-orientation.ts';
import { readFixture } from './read-fixture.ts';

interface Pictures {
  readonly pictures: readonly { readonly name: string; readonly file: string }[];
}

const { pictures } = readFixture<Pictures>('pillow-pictures.json');

function fixture(name: string): Uint8Array {
  const file = pictures.find((picture) => picture.name === name)?.file ?? '';
  return new Uint8Array(Buffer.from(file, 'base64'));
}

it('reads the orientation of a WebP, and 1 where there is none', () => {
  for (let orientation = 1; orientation <= 8; orientation++) {
    expect(webpOrientation(fixture(`orientation-${orientation}.webp`))).toBe(orientation);
  }
  expect(webpOrientation(fixture('lossy.webp'))).toBe(1);
});

it('reads 1 or the value from a file cut anywhere', () => {
  const bytes = fixture('orientation-6.webp');
  const found = Array.from(bytes, (_, length) => webpOrientation(bytes.subarray(0, length)));
  expect(new Set(found)).toEqual(new Set([1, 6]));
});

/** Pixels are numbers; what each orientation makes of the rows `1 2 3 | 4 5 6`, by EXIF 2.3. */
it.each([
  [1, 3, [1, 2, 3, 4, 5, 6]],
  [2, 3, [3, 2, 1, 6, 5, 4]],
  [3, 3, [6, 5, 4, 3, 2, 1]],
  [4, 3, [4, 5, 6, 1, 2, 3]],
  [5, 2, [1, 4, 2, 5, 3, 6]],
  [6, 2, [4, 1, 5, 2, 6, 3]],
  [7, 2, [6, 3, 5, 2, 4, 1]],
  [8, 2, [3, 6, 2, 5, 1, 4]],
])('turns orientation %i upright', (orientation, width, pixels) => {
  const rgb = (values: readonly number[]) =>
    Uint8Array.from(values.flatMap((value) => [value, value, value]));
  const picture = { width: 3, height: 2, data: rgb([1, 2, 3, 4, 5, 6]) };
  expect(turnUpright(picture, orientation)).toMatchObject({ width, height: 6 / width, data: rgb(pixels) });
});
