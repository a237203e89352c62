import { appendFile, mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { InputError } from '../../../src/core/errors.ts';
import { openPartialFile, partialBytes, removePartialFile } from '../../../src/weights/hub/partial-file.ts';

let folder: string;
let path: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tessera-partial-'));
  path = join(folder, 'deep', 'file');
});
afterEach(() => rm(folder, { recursive: true }));

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

test('parts may come in any order, and twice', async () => {
  const file = await openPartialFile(path, 9);
  expect(file.missing(4)).toEqual([
    { begin: 0, end: 4 },
    { begin: 4, end: 8 },
    { begin: 8, end: 9 },
  ]);
  expect(await file.write(6, bytes('ghi'))).toBe(3);
  expect(await file.write(0, bytes('abcd'))).toBe(4);
  expect(await file.write(3, bytes('def'))).toBe(2);
  expect(file.coveredBytes).toBe(9);
  await file.close();
  expect(await readFile(path, 'utf8')).toBe('abcdefghi');
});

test('is known again after a crash, also where the last line of the journal was cut', async () => {
  const file = await openPartialFile(path, 9);
  await file.write(0, bytes('abc'));
  await file.write(6, bytes('ghi'));
  await file.close();
  await appendFile(`${path}.spans`, '3 6');
  expect(await partialBytes(path, 9)).toBe(6);
  const again = await openPartialFile(path, 9);
  expect(again.missing(9)).toEqual([{ begin: 3, end: 6 }]);
  await again.write(3, bytes('def'));
  await again.close();
  expect(await partialBytes(path, 9)).toBe(9);
});

test('does not believe the journal beyond the end of the file', async () => {
  const file = await openPartialFile(path, 9);
  await file.write(0, bytes('abcdefghi'));
  await file.close();
  await truncate(path, 4);
  const again = await openPartialFile(path, 9);
  expect(again.missing(9)).toEqual([{ begin: 4, end: 9 }]);
  await again.close();
});

test('takes nothing from a journal that is none', async () => {
  const file = await openPartialFile(path, 9);
  await file.write(0, bytes('abcdefghi'));
  await file.close();
  await writeFile(`${path}.spans`, '0 9e9\n-1 5\n9 0\nx\n\n0 99999999999999999999\n');
  expect(await partialBytes(path, 9)).toBe(0);
  await removePartialFile(path);
  expect(await partialBytes(path, 9)).toBe(0);
});

test('says what the disk refuses', async () => {
  await writeFile(join(folder, 'deep'), 'a file where a folder is needed');
  const opened = openPartialFile(path, 9);
  await expect(opened).rejects.toThrow(/can't be written \((EEXIST|ENOTDIR).*HF_HUB_CACHE/);
  await expect(opened).rejects.toBeInstanceOf(InputError);
});
