import { describe, expect, test } from 'vitest';
import { UnsupportedError, WeightError } from '../../src/core/errors.ts';
import { bytesSource } from '../../src/weights/byte-source.ts';
import {
  checkLoadable,
  convertChunk,
  float32ToFloat16Bits,
  LOADABLE_DTYPES,
} from '../../src/weights/convert.ts';
import { readTensor } from '../../src/weights/read-tensor.ts';
import { readSafetensorsIndex } from '../../src/weights/safetensors.ts';
import { SAFETENSORS_DTYPE_BITS, type SafetensorsDType } from '../../src/weights/safetensors-dtype.ts';
import { encodeSafetensors } from '../../src/weights/write-safetensors.ts';
import { bytesOf } from './raw-file.ts';

const CASES = [
  ['F64', 'f32', Float64Array.of(1.5, -0.1, 1e-300, Infinity), [1.5, Math.fround(-0.1), 0, Infinity]],
  ['F32', 'f32', Float32Array.of(1.5, -3e38), [1.5, Math.fround(-3e38)]],
  ['F16', 'f32', Uint16Array.of(0x3c00, 0xc000, 0x7bff, 0x0001, 0xfc00), [1, -2, 65504, 2 ** -24, -Infinity]],
  ['BF16', 'f32', Uint16Array.of(0x3f80, 0xc040, 0x7f80, 0x0001), [1, -3, Infinity, 2 ** -133]],
  ['I64', 'i32', BigInt64Array.of(0n, -1n, 2147483647n, -2147483648n), [0, -1, 2147483647, -2147483648]],
  ['I32', 'i32', Int32Array.of(7, -2147483648), [7, -2147483648]],
  ['I8', 'i32', Int8Array.of(-128, 127), [-128, 127]],
  ['I8', 'f32', Int8Array.of(-128, 127), [-128, 127]],
  ['U8', 'u8', Uint8Array.of(0, 255), [0, 255]],
  ['U8', 'i32', Uint8Array.of(0, 255), [0, 255]],
  ['U8', 'u32', Uint8Array.of(0, 255), [0, 255]],
  ['U8', 'f32', Uint8Array.of(0, 255), [0, 255]],
  ['BOOL', 'u8', Uint8Array.of(0, 1), [0, 1]],
  ['BOOL', 'i32', Uint8Array.of(0, 1), [0, 1]],
  ['BOOL', 'u32', Uint8Array.of(0, 1), [0, 1]],
  ['BOOL', 'f32', Uint8Array.of(0, 1), [0, 1]],
] as const;

const ARRAYS = { f32: Float32Array, i32: Int32Array, u32: Uint32Array, u8: Uint8Array };

describe.each(CASES)('%s to %s', (dtype, target, values, expected) => {
  test('gives its exact values', () => {
    const array = convertChunk(bytesOf(values), dtype, target, 'w');
    expect(array).toBeInstanceOf(ARRAYS[target]);
    expect([...array]).toEqual(expected);
  });

  test('does so from unaligned bytes, of a Node Buffer too', () => {
    const unaligned = Buffer.alloc(values.byteLength + 1);
    unaligned.set(bytesOf(values), 1);
    expect([...convertChunk(unaligned.subarray(1), dtype, target, 'w')]).toEqual(expected);
  });

  test('gives an empty array for no bytes', () => {
    expect(convertChunk(new Uint8Array(0), dtype, target, 'w').length).toBe(0);
  });
});

test.each([
  [
    'I64',
    'i32',
    BigInt64Array.of(0n, 2147483648n),
    /w: element 1 is 2147483648; expected an integer of 32 bits/,
  ],
  ['I64', 'i32', BigInt64Array.of(-2147483649n), /element 0 is -2147483649/],
  ['F64', 'f32', Float64Array.of(0, -1e39), /element 1 is -1e\+39; expected a float of 32 bits/],
  ['BOOL', 'u8', Uint8Array.of(1, 0, 2), /element 2 is 2; expected a boolean, 0 or 1/],
] as const)('a value that %s holds and %s does not is a WeightError', (dtype, target, values, message) => {
  const convert = () => convertChunk(bytesOf(values), dtype, target, 'w');
  expect(convert).toThrow(WeightError);
  expect(convert).toThrow(message);
});

test('nine dtypes load; each other one is listed by an index and refused when loaded', async () => {
  expect([...LOADABLE_DTYPES].sort()).toEqual([
    'BF16',
    'BOOL',
    'F16',
    'F32',
    'F64',
    'I32',
    'I64',
    'I8',
    'U8',
  ]);
  for (const dtype of Object.keys(SAFETENSORS_DTYPE_BITS) as SafetensorsDType[]) {
    if (LOADABLE_DTYPES.includes(dtype)) {
      expect(() => checkLoadable(dtype, 'w')).not.toThrow();
      continue;
    }
    const bytes = new Uint8Array(SAFETENSORS_DTYPE_BITS[dtype]);
    const file = encodeSafetensors([{ name: 'w', dtype, shape: [8], bytes }]);
    const entry = (await readSafetensorsIndex(bytesSource('f', file))).get('w');
    expect(entry?.dtype).toBe(dtype);
    const reading = readTensor(entry ?? expect.fail('no tensor'), 'f32');
    await expect(reading).rejects.toBeInstanceOf(UnsupportedError);
    await expect(reading).rejects.toThrow(
      `f: tensor "w": dtype ${dtype} does not load; expected one of F64, F32`,
    );
  }
});

test('a pair with no conversion is an UnsupportedError that says what there is', () => {
  expect(() => convertChunk(new Uint8Array(4), 'F32', 'i32', 'w')).toThrow(UnsupportedError);
  expect(() => convertChunk(new Uint8Array(4), 'F32', 'i32', 'w')).toThrow(
    /F32 does not convert to i32; expected f32/,
  );
  expect(() => convertChunk(new Uint8Array(4), 'I8', 'u32', 'w')).toThrow(/expected i32 or f32/);
});

test('floats narrow to half bits by rounding to nearest even', () => {
  const values = Float32Array.of(1, -2, 65504, 65520, 2 ** -24, 1 + 2 ** -11, 1 + 3 * 2 ** -11, Number.NaN);
  expect([...float32ToFloat16Bits(values)]).toEqual([
    0x3c00, 0xc000, 0x7bff, 0x7c00, 1, 0x3c00, 0x3c02, 0x7e00,
  ]);
});
