import { describe, expect, test } from 'vitest';
import { dequantizeRows, quantizeRows } from '../../src/core/block-quantize.ts';
import { packedRow, storageByteLength } from '../../src/core/dtype.ts';

/** Normal values with mean 0 and variance 1, always the same. */
function normalValues(count: number): Float32Array {
  let word = 1;
  const uniform = (): number => {
    word = Math.imul(word, 1664525) + 1013904223;
    return ((word >>> 8) + 0.5) / 2 ** 24;
  };
  return Float32Array.from(
    { length: count },
    () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform()),
  );
}

function relativeError(values: Float32Array, columns: number, dtype: 'q8' | 'q4'): number {
  const rounded = dequantizeRows(quantizeRows(values, columns, dtype), columns, dtype);
  const squares = values.reduce((sum, value) => sum + value ** 2, 0);
  return Math.sqrt(values.reduce((sum, value, i) => sum + (value - (rounded[i] ?? 0)) ** 2, 0) / squares);
}

describe('rows of blocks', () => {
  test('take 34 or 18 bytes a block, and whole vectors of words a row', () => {
    expect(packedRow('q8', 2048)).toEqual({ blocks: 64, blockWords: 8, words: 64 * 8 + 32 });
    expect(packedRow('q4', 2048)).toEqual({ blocks: 64, blockWords: 4, words: 64 * 4 + 32 });
    expect(packedRow('q4', 33)).toEqual({ blocks: 2, blockWords: 4, words: 2 * 4 + 4 });
    expect(storageByteLength('q4', [3, 2048])).toBe(3 * 64 * 18);
    expect(storageByteLength('q8', [3, 2048])).toBe(3 * 64 * 34);
    expect(storageByteLength('q8', [7, 33])).toBe(7 * 4 * (2 * 8 + 4));
  });

  test('hold q8 as bytes with 128 for zero, then the scale as bfloat16', () => {
    const words = quantizeRows([127, -127, 1, 0, -1], 5, 'q8');
    // 1.0 in bfloat16 is 0x3f80; the rest of the block is zero.
    expect([...words].map((word) => word.toString(16))).toEqual([
      '808101ff',
      '8080807f',
      ...Array(6).fill('80808080'),
      '3f80',
      '0',
      '0',
      '0',
    ]);
  });

  test('hold q4 as half bytes, four neighbours in the low halves of a word', () => {
    // The largest value, -8, divided by -8 gives the scale 1, and no other scale is without error.
    const values = [-8, 7, 1, 0, -1, -2, 3, 4];
    const words = quantizeRows(values, 8, 'q4');
    expect([...words].map((word) => word.toString(16))).toEqual([
      'c8b96f70',
      '88888888',
      '88888888',
      '88888888',
      '3f80',
      '0',
      '0',
      '0',
    ]);
    expect([...dequantizeRows(words, 8, 'q4')]).toEqual(values);
  });

  test('put the second block and its scale beside the first', () => {
    const values = Array.from({ length: 40 }, (_, i) => (i < 32 ? i - 16 : 127 - i * 4));
    const words = quantizeRows(values, 40, 'q8');
    expect(words).toHaveLength(2 * 8 + 4);
    const scales = words[16] ?? 0;
    expect(scales & 0xffff).not.toBe(0);
    expect(scales >>> 16).not.toBe(0);
    const rounded = dequantizeRows(words, 40, 'q8');
    values.forEach((value, i) => {
      expect(Math.abs((rounded[i] ?? 0) - value)).toBeLessThanOrEqual((i < 32 ? 16 : 33) / 250);
    });
  });

  test('keep zeros, and values too small for a scale become zero', () => {
    expect([...dequantizeRows(quantizeRows([0, 0, 0], 3, 'q4'), 3, 'q4')]).toEqual([0, 0, 0]);
    expect([...dequantizeRows(quantizeRows([1e-31, 0], 2, 'q8'), 2, 'q8')]).toEqual([0, 0]);
  });

  test('lose as much as their doc says of normal values', () => {
    const values = normalValues(2 ** 15);
    expect(relativeError(values, 2048, 'q8')).toBeCloseTo(0.0054, 4);
    expect(relativeError(values, 2048, 'q4')).toBeCloseTo(0.0822, 3);
  });

  test('follow the scale of each block over the range of f32', () => {
    const values = normalValues(128).map((value, i) => value * 10 ** (10 * Math.floor(i / 32) - 15));
    for (const block of [0, 32, 64, 96]) {
      expect(relativeError(values.subarray(block, block + 32), 32, 'q8')).toBeLessThan(0.01);
    }
  });
});
