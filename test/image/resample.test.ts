import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { crop } from '../../src/image/crop.ts';
import { resizeFrame } from '../../src/image/frame-values.ts';
import { createPicture, type Picture } from '../../src/image/picture.ts';
import { preprocess, toPixelValues } from '../../src/image/preprocess.ts';
import { computeCoefficients, sliceCoefficients } from '../../src/image/resample-coefficients.ts';
import { smoothFilters } from '../../src/image/resample-filters.ts';
import { resamplePlain } from '../../src/image/resample-plain.ts';
import { resampleSimd } from '../../src/image/resample-simd.ts';
import { resize } from '../../src/image/resize.ts';

/** Numbers from 0 to `below`, the same in every run (Numerical Recipes' generator). */
function createRandom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

/** Noise of black, white and what is between: sums then go beyond both ends. */
function noise(width: number, height: number, random: (below: number) => number): Picture {
  const data = Uint8Array.from({ length: width * height * 3 }, () =>
    Math.max(0, Math.min(255, random(511) - 128)),
  );
  return createPicture(width, height, data);
}

const SIZES = [1, 2, 3, 5, 7, 13, 16, 17, 31, 61, 97, 128, 251];
const filters = Object.entries(smoothFilters);
/** Bits of a weight: Pillow's, and those of torchvision from its smallest weights to its largest. */
const PRECISIONS = [22, 14, 19];

describe('resampling in WebAssembly equals the plain loops bit for bit', () => {
  it.each(filters)('%s, between random sizes', (name, filter) => {
    const random = createRandom(name.length);
    const pick = (): number => SIZES[random(SIZES.length)] as number;
    for (let round = 0; round < 60; round++) {
      const [width, height, newWidth, newHeight] = [pick(), pick(), pick(), pick()];
      const precision = PRECISIONS[round % 3] as number;
      const part = (from: number, to: number) => {
        const first = random(to);
        const all = computeCoefficients(from, to, filter, () => precision);
        return sliceCoefficients(all, first, 1 + random(to - first));
      };
      const passes = {
        across: round % 5 === 0 ? null : part(width, newWidth),
        down: round % 7 === 1 ? null : part(height, newHeight),
        downFirst: round % 2 === 0,
      };
      const picture = noise(width, height, random);
      const fast = resampleSimd(picture, passes);
      expect(fast, `${width}x${height} to ${newWidth}x${newHeight}`).toEqual(resamplePlain(picture, passes));
    }
  });

  it('a picture of a Buffer that starts within its memory', () => {
    const { data } = noise(9, 9, createRandom(1));
    const shifted = Buffer.alloc(data.length + 5);
    shifted.set(data, 5);
    const picture = createPicture(9, 9, shifted.subarray(5));
    expect(resize(picture, 4, 5, 'bicubic')).toEqual(resize({ ...picture, data }, 4, 5, 'bicubic'));
  });

  it('a row that takes more than 16 MiB, and a small picture after it', () => {
    const bilinear = (from: number, to: number) =>
      computeCoefficients(from, to, smoothFilters.bilinear, () => 22);
    for (const [from, to] of [
      [800_000, 600_000],
      [5, 3],
    ] as const) {
      const picture = createPicture(from, 2, new Uint8Array(from * 6).fill(77));
      const passes = { across: bilinear(from, to), down: bilinear(2, 1), downFirst: false };
      const fast = resampleSimd(picture, passes);
      expect(fast && Buffer.compare(fast.data, new Uint8Array(to * 3).fill(77))).toBe(0);
    }
  });

  it('is of the source that lies beside it', () => {
    const read = (name: string): string => readFileSync(`src/image/${name}`, 'utf8');
    const hash = createHash('sha256').update(read('resample-kernels.as.ts')).digest('hex');
    expect(read('resample-kernels.ts'), 'run: npm run build:resample').toContain(hash);
  });
});

describe('where WebAssembly may not be compiled', () => {
  afterEach(() => vi.unstubAllGlobals());

  it('the plain loops give the same', async () => {
    const picture = noise(31, 17, createRandom(3));
    const expected = resize(picture, 12, 23, 'lanczos');
    const refuse = vi.fn(function Module() {
      throw new Error('refused by the security policy');
    });
    vi.stubGlobal('WebAssembly', { ...WebAssembly, Module: refuse });
    vi.resetModules();
    const fresh = await import('../../src/image/resize.ts');
    expect(fresh.resize(picture, 12, 23, 'lanczos')).toEqual(expected);
    fresh.resize(picture, 5, 5, 'lanczos');
    expect(refuse).toHaveBeenCalledTimes(1);
  });
});

describe('a part of a resized picture', () => {
  const filterNames = ['nearest', 'box', 'bilinear', 'hamming', 'bicubic', 'lanczos'] as const;

  it.each(filterNames)('%s: equals the part of the whole', (filter) => {
    const random = createRandom(filter.length);
    const picture = noise(41, 67, random);
    for (const [width, height] of [
      [20, 30],
      [41, 90],
      [100, 67],
      [41, 67],
      [41, 8],
    ] as const) {
      const [left, top] = [random(width), random(height)];
      const box = { left, top, width: 1 + random(width - left), height: 1 + random(height - top) };
      expect(resize(picture, width, height, filter, box)).toEqual(
        crop(resize(picture, width, height, filter), box),
      );
      if (filter !== 'bilinear' && filter !== 'bicubic' && filter !== 'lanczos') continue;
      expect(resizeFrame(picture, { width, height }, filter, box)).toEqual(
        crop(resizeFrame(picture, { width, height }, filter), box),
      );
    }
  });

  it.each([
    [24, 24],
    [15, 40],
    [50, 11],
    [51, 60],
  ])('preprocess cuts %sx%s out of it, or lays black around', (width, height) => {
    const picture = noise(53, 37, createRandom(width));
    const levels = { rescaleFactor: null, normalize: null };
    const config = {
      ...levels,
      resize: { kind: 'exact', width: 31, height: 29 },
      filter: 'bicubic',
      centerCrop: { width, height },
    } as const;
    const box = { left: Math.floor((31 - width) / 2), top: Math.floor((29 - height) / 2), width, height };
    expect(preprocess(picture, config)).toEqual(
      toPixelValues(crop(resize(picture, 31, 29, 'bicubic'), box), levels),
    );
  });
});
