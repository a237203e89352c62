import { expect, test } from 'vitest';
import { WeightError } from '../../src/core/errors.ts';
import { type ByteSource, bytesSource } from '../../src/weights/byte-source.ts';
import { readSafetensors, type SafetensorsFile } from '../../src/weights/safetensors.ts';
import { encodeSafetensors } from '../../src/weights/write-safetensors.ts';
import { randomIntegers } from './raw-file.ts';

const VALID = encodeSafetensors(
  [
    { name: 'model.embed.weight', dtype: 'F32', shape: [3, 4], bytes: new Uint8Array(48).fill(7) },
    { name: 'model.norm.weight', dtype: 'BF16', shape: [5], bytes: new Uint8Array(10).fill(9) },
    { name: 'mask', dtype: 'BOOL', shape: [2, 1], bytes: Uint8Array.of(0, 1) },
    { name: 'empty', dtype: 'I64', shape: [0], bytes: new Uint8Array(0) },
  ],
  { format: 'pt' },
);

/** Reads, and fails the test when more is read at once than the file holds. */
async function readWatched(file: Uint8Array): Promise<SafetensorsFile | WeightError> {
  const inner = bytesSource('fuzz', file);
  const source: ByteSource = {
    ...inner,
    read(offset, length, signal) {
      expect(length).toBeLessThanOrEqual(file.length);
      return inner.read(offset, length, signal);
    },
  };
  try {
    return await readSafetensors(source);
  } catch (error) {
    if (error instanceof WeightError) return error;
    throw error;
  }
}

/** What every accepted file must satisfy, whatever was done to it. */
function checkSound({ index }: SafetensorsFile, file: Uint8Array): void {
  const entries = [...index.values()].sort(
    (a, b) => a.offsetBytes - b.offsetBytes || a.byteLength - b.byteLength,
  );
  const headerEnd = 8 + Number(new DataView(file.buffer).getBigUint64(0, true));
  let end = headerEnd;
  for (const entry of entries) {
    expect(entry.offsetBytes).toBe(end);
    end += entry.byteLength;
  }
  expect(end).toBe(file.length);
}

test('every truncation of a valid file is a WeightError', async () => {
  for (let length = 0; length < VALID.length; length++) {
    expect(await readWatched(VALID.slice(0, length)), `cut to ${length} bytes`).toBeInstanceOf(WeightError);
  }
});

test('flipped bytes give a sound index or a WeightError', async () => {
  const random = randomIntegers(1);
  const headerEnd = 8 + Number(new DataView(VALID.buffer).getBigUint64(0, true));
  let refused = 0;
  for (let round = 0; round < 4000; round++) {
    const file = VALID.slice();
    const flips = 1 + random(3);
    for (let i = 0; i < flips; i++) file[random(headerEnd)] = random(256);
    const result = await readWatched(file);
    if (result instanceof WeightError) refused++;
    else checkSound(result, file);
  }
  // Most flips hit punctuation, numbers or dtypes; those in a name are legal.
  expect(refused).toBeGreaterThan(2000);
  expect(refused).toBeLessThan(4000);
});

test('flips in the data alone leave the index as it was', async () => {
  const random = randomIntegers(2);
  const before = await readWatched(VALID);
  const headerEnd = 8 + Number(new DataView(VALID.buffer).getBigUint64(0, true));
  const layout = (file: SafetensorsFile | WeightError) =>
    file instanceof WeightError
      ? file.message
      : [...file.index.values()].map(({ source: _, ...entry }) => entry);
  for (let round = 0; round < 100; round++) {
    const file = VALID.slice();
    file[headerEnd + random(VALID.length - headerEnd)] = random(256);
    expect(layout(await readWatched(file))).toEqual(layout(before));
  }
});

test('spliced header parts give a sound index or a WeightError', async () => {
  const random = randomIntegers(3);
  for (let round = 0; round < 2000; round++) {
    const file = VALID.slice();
    const length = 1 + random(40);
    file.copyWithin(8 + random(200), 8 + random(200), 8 + random(200) + length);
    const result = await readWatched(file);
    if (!(result instanceof WeightError)) checkSound(result, file);
  }
});
