import { expect, test } from 'vitest';
import {
  bfloat16ToFloat32,
  float16ToFloat32,
  float32ToBfloat16,
  float32ToFloat16,
  roundHalfToEven,
} from '../../src/core/float16.ts';

test('every half survives the way to f32 and back', () => {
  for (let bits = 0; bits < 0x10000; bits++) {
    const value = float16ToFloat32(bits);
    if (Number.isNaN(value)) expect(float32ToFloat16(value) & 0x7fff).toBeGreaterThan(0x7c00);
    else expect(float32ToFloat16(value)).toBe(bits);
  }
});

test('between two halves the nearer is taken, and the even one of equals', () => {
  for (const bits of [0x0000, 0x0001, 0x03ff, 0x0400, 0x3c00, 0x3c01, 0x7bfe]) {
    const [low, high] = [float16ToFloat32(bits), float16ToFloat32(bits + 1)];
    const middle = (low + high) / 2;
    expect(float32ToFloat16(middle)).toBe(bits % 2 === 0 ? bits : bits + 1);
    expect(float32ToFloat16(low + (high - low) * 0.49)).toBe(bits);
    expect(float32ToFloat16(low + (high - low) * 0.51)).toBe(bits + 1);
  }
});

test('beyond the largest half lies infinity', () => {
  expect(float32ToFloat16(65504)).toBe(0x7bff);
  expect(float32ToFloat16(65519)).toBe(0x7bff);
  expect(float32ToFloat16(65520)).toBe(0x7c00);
  expect(float32ToFloat16(-1e30)).toBe(0xfc00);
});

test('every bfloat16 survives the way to f32 and back, and rounding is to even', () => {
  for (let bits = 0; bits < 0x10000; bits++) {
    const value = bfloat16ToFloat32(bits);
    if (!Number.isNaN(value)) expect(float32ToBfloat16(value)).toBe(bits);
  }
  expect(float32ToBfloat16(1 + 2 ** -8)).toBe(0x3f80);
  expect(float32ToBfloat16(1 + 3 * 2 ** -8)).toBe(0x3f82);
});

test('halves round to even', () => {
  expect([0.5, 1.5, 2.5, -0.5, -1.5, 2.4, 2.6].map(roundHalfToEven)).toEqual([0, 2, 2, 0, -2, 2, 3]);
});
