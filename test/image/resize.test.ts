import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { createPicture } from '../../src/image/picture.ts';
import type { FilterName } from '../../src/image/resample-filters.ts';
import { resize } from '../../src/image/resize.ts';
import { resizeTorchvision, type TorchFilterName } from '../../src/image/resize-torchvision.ts';
import { readGoldenJson, readGoldenTensors } from '../read-golden.ts';
import { readFixture } from './read-fixture.ts';

type Item = {
  readonly op: string;
  readonly index: number;
  readonly params: {
    readonly filter: FilterName;
    readonly in: readonly [number, number];
    readonly out: readonly [number, number];
  };
};

const allItems = readGoldenJson<{ items: readonly Item[] }>('ops/reference.json').items;
const items = allItems.filter((item) => item.op === 'resize_u8');
const tensor = readGoldenTensors('ops/reference.safetensors');

describe('resize equals Pillow bit for bit', () => {
  it('has all fifteen cases', () => expect(items).toHaveLength(15));

  it.each(items)('case $index: $params.filter $params.in to $params.out', ({ index, params }) => {
    const [inHeight, inWidth] = params.in;
    const [outHeight, outWidth] = params.out;
    const source = createPicture(inWidth, inHeight, tensor(`resize_u8.${index}.x`).data as Uint8Array);
    const resized = resize(source, outWidth, outHeight, params.filter);
    expect([resized.height, resized.width]).toEqual([outHeight, outWidth]);
    expect(resized.data).toEqual(tensor(`resize_u8.${index}.out`).data);
  });
});

/** Planes of a channel after each other, as torch holds pictures, to interleaved RGB. */
function interleave(width: number, height: number, planes: Uint8Array): Uint8Array {
  const size = width * height;
  return Uint8Array.from(planes, (_, i) => planes[(i % 3) * size + Math.trunc(i / 3)] as number);
}

describe('resizeTorchvision equals torchvision bit for bit', () => {
  const torchItems = allItems.filter((item) => item.op === 'resize_u8_torchvision');

  it('has all eight cases', () => expect(torchItems).toHaveLength(8));

  it.each(torchItems)('case $index: $params.filter $params.in to $params.out', ({ index, params }) => {
    const [inHeight, inWidth] = params.in;
    const [outHeight, outWidth] = params.out;
    const read = (name: string) => tensor(`resize_u8_torchvision.${index}.${name}`).data as Uint8Array;
    const source = createPicture(inWidth, inHeight, interleave(inWidth, inHeight, read('x')));
    const resized = resizeTorchvision(source, outWidth, outHeight, params.filter as TorchFilterName);
    expect([resized.height, resized.width]).toEqual([outHeight, outWidth]);
    expect(resized.data).toEqual(interleave(outWidth, outHeight, read('out')));
  });

  it('differs from Pillow by a level at most, and somewhere does', () => {
    const source = pattern(47, 31);
    const torch = resizeTorchvision(source, 16, 16, 'bicubic').data;
    const pillow = resize(source, 16, 16, 'bicubic').data;
    const differences = Array.from(torch, (value, i) => Math.abs(value - (pillow[i] as number)));
    expect(Math.max(...differences)).toBe(1);
  });
});

type Resize = {
  readonly filter: FilterName;
  readonly from: readonly [number, number];
  readonly to: readonly [number, number];
  readonly sha256: string;
};
const { resizes } = readFixture<{ resizes: readonly Resize[] }>('pillow-resizes.json');

/** The pattern of pillow-resizes.py. */
function pattern(width: number, height: number) {
  const data = new Uint8Array(width * height * 3);
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      for (let channel = 0; channel < 3; channel++, i++) {
        data[i] = x * 37 + y * 101 + channel * 59 + x * y * 7 + (x ^ y) * 13;
      }
    }
  }
  return createPicture(width, height, data);
}

describe('resize between random sizes equals Pillow', () => {
  it('covers both orders of the passes', () => {
    const verticalFirst = resizes.filter(
      ({ from, to }) => from[1] > to[1] && from[1] - to[1] > 2 * (from[0] - to[0]),
    );
    expect(verticalFirst.length).toBeGreaterThan(20);
    expect(resizes.length - verticalFirst.length).toBeGreaterThan(20);
  });

  it.each(resizes)('$filter from $from to $to', ({ filter, from, to, sha256 }) => {
    const { data } = resize(pattern(...from), ...to, filter);
    expect(createHash('sha256').update(data).digest('hex')).toBe(sha256);
  });
});

describe('resize at its edges', () => {
  const flat = createPicture(3, 2, new Uint8Array(18).fill(200));

  it.each(['nearest', 'box', 'bilinear', 'hamming', 'bicubic', 'lanczos'] as const)(
    '%s keeps a flat picture flat, from 3x2 to 1x1, 1x7 and 640x1',
    (filter) => {
      for (const [width, height] of [
        [1, 1],
        [1, 7],
        [640, 1],
      ] as const) {
        const { data } = resize(flat, width, height, filter);
        expect(data).toEqual(new Uint8Array(width * height * 3).fill(200));
      }
    },
  );

  it('clips the overshoot of a negative lobe to 0 and 255', () => {
    const step = createPicture(4, 1, Uint8Array.of(0, 0, 0, 0, 0, 0, 255, 255, 255, 255, 255, 255));
    const { data } = resize(step, 16, 1, 'lanczos');
    expect(Math.min(...data)).toBe(0);
    expect(Math.max(...data)).toBe(255);
  });

  it.each([
    [0, 4],
    [4, 0],
    [2.5, 4],
    [Number.NaN, 4],
  ])('refuses a target of %sx%s', (width, height) => {
    expect(() => resize(flat, width, height, 'bicubic')).toThrow(/expected two positive whole numbers/);
    expect(() => resizeTorchvision(flat, width, height, 'bicubic')).toThrow(/expected two positive whole/);
  });
});
