import { describe, expect, test } from 'vitest';
import { WeightError } from '../../src/core/errors.ts';
import { bytesSource } from '../../src/weights/byte-source.ts';
import { readSafetensors, readSafetensorsIndex } from '../../src/weights/safetensors.ts';
import { rawFile } from './raw-file.ts';

const data = (byteLength: number): Uint8Array => new Uint8Array(byteLength);
const entry = (dtype: string, shape: string, begin: number | string, end: number | string): string =>
  `{"dtype":"${dtype}","shape":${shape},"data_offsets":[${begin},${end}]}`;
const one = (value: string): string => `{"a":${value}}`;

interface HostileCase {
  readonly name: string;
  readonly file: Uint8Array;
  readonly message: RegExp;
}

const CASES: readonly HostileCase[] = [
  { name: 'empty file', file: data(0), message: /has 0 bytes; expected at least 8/ },
  { name: 'file shorter than the length field', file: data(7), message: /has 7 bytes; expected at least 8/ },
  {
    name: 'header over 100,000,000 bytes',
    file: rawFile('{}', data(0), 100_000_001n),
    message: /header claims 100000001 bytes; expected at most 100000000/,
  },
  {
    name: 'header length that rounds as a Number',
    file: rawFile('{}', data(0), 2n ** 64n - 1n),
    message: /header claims 18446744073709551615 bytes; expected at most 100000000/,
  },
  {
    name: 'header length beyond the file',
    file: rawFile('{}', data(3), 6n),
    message: /header claims 6 bytes, but 5 follow/,
  },
  { name: 'header of no bytes', file: rawFile(''), message: /header begins with nothing; expected "\{"/ },
  {
    name: 'header that begins with a space',
    file: rawFile(' {}'),
    message: /begins with byte 0x20; expected "\{"/,
  },
  {
    name: 'header that begins with a byte order mark',
    file: rawFile('\ufeff{}'),
    message: /begins with byte 0xef/,
  },
  { name: 'header that is an array', file: rawFile('[]'), message: /begins with byte 0x5b; expected "\{"/ },
  {
    name: 'invalid UTF-8 in a name',
    file: rawFile(Uint8Array.of(0x7b, 0x22, 0xc3, 0x28, 0x22, 0x3a, 0x31, 0x7d)),
    message: /header: 8 bytes that are not valid UTF-8/,
  },
  { name: 'broken JSON', file: rawFile('{"a":'), message: /header: invalid JSON/ },
  { name: 'text after the JSON', file: rawFile('{} x'), message: /header: invalid JSON/ },
  { name: 'a NUL behind the JSON', file: rawFile('{}\0'), message: /header: invalid JSON/ },
  {
    name: 'tensor named twice',
    file: rawFile(`{"a":${entry('F32', '[1]', 0, 4)},"a":${entry('F32', '[1]', 0, 4)}}`, data(4)),
    message: /key "a" occurs twice; expected each key once/,
  },
  {
    name: 'tensor named twice, once by an escape',
    file: rawFile(`{"a":${entry('F32', '[1]', 0, 4)},"\\u0061":${entry('F32', '[1]', 0, 4)}}`, data(4)),
    message: /key "a" occurs twice/,
  },
  {
    name: 'dtype given twice inside a tensor',
    file: rawFile(one('{"dtype":"F32","dtype":"U8","shape":[4],"data_offsets":[0,4]}'), data(4)),
    message: /key "dtype" occurs twice/,
  },
  {
    name: '__metadata__ given twice',
    file: rawFile('{"__metadata__":{},"__metadata__":{}}'),
    message: /key "__metadata__" occurs twice/,
  },
  {
    name: 'metadata key given twice',
    file: rawFile('{"__metadata__":{"k":"1","k":"2"}}'),
    message: /key "k" occurs twice/,
  },
  { name: 'nesting over 64 levels', file: rawFile(one('['.repeat(1e6))), message: /nested over 64 levels/ },
  {
    name: 'metadata that is a list',
    file: rawFile('{"__metadata__":[]}'),
    message: /__metadata__ is \[\]; expected/,
  },
  {
    name: 'metadata value that is no string',
    file: rawFile('{"__metadata__":{"n":1}}'),
    message: /__metadata__ "n" is 1; expected a string/,
  },
  {
    name: 'tensor that is no object',
    file: rawFile(one('null')),
    message: /tensor "a" is null; expected an object/,
  },
  {
    name: 'tensor without dtype',
    file: rawFile(one('{"shape":[1],"data_offsets":[0,4]}'), data(4)),
    message: /tensor "a" has dtype missing/,
  },
  {
    name: 'unknown dtype',
    file: rawFile(one(entry('F128', '[1]', 0, 16)), data(16)),
    message: /tensor "a" has dtype "F128"; expected one of the format/,
  },
  {
    name: 'dtype that is a property of every object',
    file: rawFile(one(entry('toString', '[1]', 0, 4)), data(4)),
    message: /has dtype "toString"/,
  },
  ...(
    [
      ['negative', '[-1]', '[-1]'],
      ['fractional', '[1.5]', '[1.5]'],
      ['beyond 2^53', '[9007199254740993]', '[9007199254740992]'],
      ['infinite', '[1e400]', '[null]'],
      ['a string', '["1"]', '["1"]'],
      ['nested', '[[1]]', '[[1]]'],
      ['no list', '4', '4'],
      ['null', 'null', 'null'],
    ] as const
  ).map(([name, shape, shown]) => ({
    name: `shape entry ${name}`,
    file: rawFile(one(entry('F32', shape, 0, 4)), data(4)),
    message: new RegExp(`has shape ${shown.replace(/[[\].]/g, '\\$&')}; expected non-negative integers`),
  })),
  {
    name: 'shape product that overflows',
    file: rawFile(one(entry('F32', '[4294967296,4294967296]', 0, 0))),
    message: /F32 \[4294967296, 4294967296\] takes no exact number of bytes/,
  },
  {
    name: 'shape product that wraps to its size in 64 bits',
    file: rawFile(one(entry('U8', '[4294967297,4294967295,2]', 0, 0))),
    message: /takes no exact number of bytes/,
  },
  {
    name: 'sub-byte elements that end within a byte',
    file: rawFile(one(entry('F4', '[3]', 0, 2)), data(2)),
    message: /F4 \[3\] takes no exact number of bytes/,
  },
  {
    name: 'begin over end',
    file: rawFile(one(entry('F32', '[1]', 4, 0)), data(4)),
    message: /data_offsets \[4, 0\]; expected begin <= end/,
  },
  {
    name: 'negative offset',
    file: rawFile(one(entry('F32', '[1]', -4, 0)), data(4)),
    message: /data_offsets \[-4,0\]; expected \[begin, end\]/,
  },
  {
    name: 'offset beyond 2^53',
    file: rawFile(one(entry('F32', '[1]', '18446744073709551612', '18446744073709551616')), data(4)),
    message: /has data_offsets \[18446744073709552000,/,
  },
  {
    name: 'three offsets',
    file: rawFile(one('{"dtype":"F32","shape":[1],"data_offsets":[0,4,8]}'), data(4)),
    message: /data_offsets \[0,4,8\]; expected \[begin, end\]/,
  },
  {
    name: 'no offsets',
    file: rawFile(one('{"dtype":"F32","shape":[1]}'), data(4)),
    message: /data_offsets missing; expected \[begin, end\]/,
  },
  {
    name: 'span that disagrees with shape and dtype',
    file: rawFile(one(entry('F32', '[2]', 0, 4)), data(4)),
    message: /data_offsets \[0, 4\] span 4 bytes; expected 8 for F32 \[2\]/,
  },
  {
    name: 'hole before the first tensor',
    file: rawFile(one(entry('F32', '[1]', 4, 8)), data(8)),
    message: /tensor "a" begins at data byte 4 and leaves a hole after the header; expected it at 0/,
  },
  {
    name: 'hole between tensors',
    file: rawFile(`{"a":${entry('U8', '[1]', 0, 1)},"b":${entry('U8', '[1]', 2, 3)}}`, data(3)),
    message: /tensor "b" begins at data byte 2 and leaves a hole after tensor "a"; expected it at 1/,
  },
  {
    name: 'tensors that overlap',
    file: rawFile(`{"b":${entry('U8', '[4]', 2, 6)},"a":${entry('U8', '[4]', 0, 4)}}`, data(6)),
    message: /tensor "b" begins at data byte 2 and overlaps tensor "a"; expected it at 4/,
  },
  {
    name: 'two tensors over the same bytes',
    file: rawFile(`{"a":${entry('U8', '[4]', 0, 4)},"b":${entry('U8', '[4]', 0, 4)}}`, data(4)),
    message: /overlaps tensor/,
  },
  {
    name: 'truncated data',
    file: rawFile(one(entry('F32', '[2]', 0, 8)), data(7)),
    message: /the tensors end at byte \d+, the file at \d+; expected both the same\. The file is truncated/,
  },
  {
    name: 'bytes after the last tensor',
    file: rawFile(one(entry('F32', '[1]', 0, 4)), data(5)),
    message: /the tensors end at byte \d+, the file at \d+; expected both the same\. It is damaged/,
  },
  {
    name: 'a name of a million letters, for a message of one line',
    file: rawFile(`{"${'n'.repeat(1e6)}":0}`),
    message: /tensor "n{79}… is 0; expected an object/,
  },
  {
    name: 'a shape of a million axes, for a message of one line',
    file: rawFile(one(entry('U8', `[${'1,'.repeat(1e6)}1]`, 0, 2)), data(2)),
    message: /span 2 bytes; expected 1 for U8 \[1, 1, .*…\.$/,
  },
  {
    name: 'a Git LFS pointer',
    file: new TextEncoder().encode('version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n'),
    message: /is a Git LFS pointer of 64 bytes.*git lfs pull/,
  },
];

describe('hostile safetensors files', () => {
  test.each(CASES)('$name', async ({ file, message }) => {
    const error = await readSafetensors(bytesSource('evil.safetensors', file)).then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    expect(error).toBeInstanceOf(WeightError);
    expect((error as WeightError).message).toMatch(message);
    expect((error as WeightError).message).toMatch(/^evil\.safetensors/);
    expect((error as WeightError).message.length).toBeLessThan(500);
  });

  test('a hostile header length is refused before its bytes are asked for', async () => {
    const lengths: number[] = [];
    const source = bytesSource('evil.safetensors', rawFile('{}', data(0), 100_000_000n));
    const spy = {
      ...source,
      read: (offset: number, length: number) => {
        lengths.push(length);
        return source.read(offset, length);
      },
    };
    await expect(readSafetensors(spy)).rejects.toThrow(/but 2 follow/);
    expect(lengths).toEqual([8]);
  });
});

describe('odd but legal files', () => {
  test('no tensors at all', async () => {
    expect((await readSafetensorsIndex(bytesSource('f', rawFile('{}      ')))).size).toBe(0);
  });

  test('names that are properties of every object', async () => {
    const header = `{"__proto__":${entry('U8', '[2]', 0, 2)},"constructor":${entry('U8', '[1]', 2, 3)}}`;
    const index = await readSafetensorsIndex(bytesSource('f', rawFile(header, Uint8Array.of(1, 2, 3))));
    expect([...index.keys()]).toEqual(['__proto__', 'constructor']);
    expect(index.get('__proto__')).toMatchObject({ dtype: 'U8', shape: [2], offsetBytes: 8 + header.length });
    expect(({} as Record<string, unknown>).dtype).toBeUndefined();
  });

  test('empty tensors and scalars, in any order, at unaligned offsets', async () => {
    const header = `{"z":${entry('F32', '[]', 1, 5)},"empty":${entry('F32', '[0, 7]', 1, 1)},"a":${entry('U8', '[1]', 0, 1)}}`;
    const index = await readSafetensorsIndex(bytesSource('f', rawFile(header, data(5))));
    const start = 8 + header.length;
    expect(
      [...index].map(([name, { offsetBytes, byteLength }]) => [name, offsetBytes - start, byteLength]),
    ).toEqual([
      ['z', 1, 4],
      ['empty', 1, 0],
      ['a', 0, 1],
    ]);
  });

  test('a string value equal to a key, and braces and quotes inside names', async () => {
    const header = `{"__metadata__":{"a":"b","b":"a"},"{\\"a\\":[":${entry('U8', '[1]', 0, 1)}}`;
    const { index, metadata } = await readSafetensors(bytesSource('f', rawFile(header, data(1))));
    expect([...index.keys()]).toEqual(['{"a":[']);
    expect([...metadata]).toEqual([
      ['a', 'b'],
      ['b', 'a'],
    ]);
  });
});
