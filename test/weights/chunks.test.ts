import { expect, test } from 'vitest';
import { AbortError } from '../../src/core/errors.ts';
import type { ByteSource } from '../../src/weights/byte-source.ts';
import { readChunks } from '../../src/weights/chunks.ts';
import type { TensorEntry } from '../../src/weights/safetensors.ts';

/** A file whose byte i is i % 251, made as it is read; counts bytes that are read and not yet given back. */
function countingSource(byteLength: number, readsAtOnce?: number) {
  let outstanding = 0;
  let peak = 0;
  let running = 0;
  const lengths: number[] = [];
  const source: ByteSource = {
    name: 'counting',
    byteLength,
    ...(readsAtOnce !== undefined && { readsAtOnce }),
    async read(offset, length) {
      lengths.push(length);
      outstanding += length;
      peak = Math.max(peak, outstanding);
      running++;
      await new Promise((resolve) => setImmediate(resolve));
      running--;
      if (offset + length > byteLength) throw new RangeError('read past the end');
      return Uint8Array.from({ length }, (_, i) => (offset + i) % 251);
    },
    async close() {},
  };
  return {
    source,
    lengths,
    release: (length: number) => {
      outstanding -= length;
    },
    peak: () => peak,
    running: () => running,
  };
}

const tensor = (source: ByteSource, name: string, offsetBytes: number, byteLength: number): TensorEntry => ({
  name,
  dtype: 'U8',
  shape: [byteLength],
  source,
  offsetBytes,
  byteLength,
});

test.each([256, 8192])('host memory is two chunks for a tensor of %i KiB', async (kibibytes) => {
  const byteLength = kibibytes * 1024;
  const chunkBytes = 64 * 1024;
  const counting = countingSource(byteLength);
  const chunks = readChunks([tensor(counting.source, 'w', 0, byteLength)], { chunkBytes });
  let total = 0;
  for (let next = await chunks.next(); !next.done; next = await chunks.next()) {
    total += next.value.bytes.length;
    // A chunk is done with when the next one is asked for.
    counting.release(next.value.bytes.length);
  }
  expect(total).toBe(byteLength);
  expect(counting.peak()).toBe(2 * chunkBytes);
});

test('a source that reads three at once has three under way, and four chunks in memory', async () => {
  const { source, lengths, release, peak, running } = countingSource(160, 3);
  const chunks = readChunks([tensor(source, 'w', 0, 160)], { chunkBytes: 16 });
  const offsets: number[] = [];
  const begun: number[] = [];
  for (let next = await chunks.next(); !next.done; next = await chunks.next()) {
    offsets.push(next.value.offsetBytes);
    begun.push(lengths.length);
    release(next.value.bytes.length);
  }
  expect(offsets).toEqual([0, 16, 32, 48, 64, 80, 96, 112, 128, 144]);
  expect(begun).toEqual([4, 5, 6, 7, 8, 9, 10, 10, 10, 10]);
  expect(peak()).toBe(4 * 16);
  expect(running()).toBe(0);
});

test('the next read is under way while a chunk is used', async () => {
  const { source, lengths } = countingSource(64);
  const seen: number[] = [];
  for await (const _ of readChunks([tensor(source, 'w', 0, 64)], { chunkBytes: 16 }))
    seen.push(lengths.length);
  expect(seen).toEqual([2, 3, 4, 4]);
});

test('neighbours share a read; order, gaps, cuts and empty tensors are right', async () => {
  const { source, lengths } = countingSource(200);
  const entries = [
    tensor(source, 'd', 100, 70),
    tensor(source, 'a', 3, 10),
    tensor(source, 'empty', 13, 0),
    tensor(source, 'b', 13, 20),
    tensor(source, 'c', 40, 8),
  ];
  const chunks: string[] = [];
  for await (const { entry, offsetBytes, bytes } of readChunks(entries, { chunkBytes: 32 })) {
    chunks.push(`${entry.name} ${offsetBytes}+${bytes.length}`);
    const first = entry.offsetBytes + offsetBytes;
    expect([...bytes]).toEqual(Array.from({ length: bytes.length }, (_, i) => (first + i) % 251));
  }
  expect(chunks).toEqual(['a 0+10', 'b 0+20', 'c 0+8', 'd 0+32', 'd 32+32', 'd 64+6']);
  expect(lengths).toEqual([30, 8, 32, 32, 6]);
});

test('sources keep the order in which they first occur', async () => {
  const first = countingSource(8).source;
  const second = countingSource(8).source;
  const entries = [tensor(second, 'x', 0, 8), tensor(first, 'y', 0, 8)];
  const names: string[] = [];
  for await (const { entry } of readChunks(entries)) names.push(entry.name);
  expect(names).toEqual(['x', 'y']);
});

test('nothing is read for no tensors', async () => {
  const { source, lengths } = countingSource(8);
  for await (const _ of readChunks([tensor(source, 'empty', 0, 0)])) expect.fail('a chunk of nothing');
  expect(lengths).toEqual([]);
});

test.each([1, 3])('a consumer that stops early leaves none of %i reads running', async (readsAtOnce) => {
  const { source, running } = countingSource(64, readsAtOnce);
  for await (const _ of readChunks([tensor(source, 'w', 0, 64)], { chunkBytes: 16 })) break;
  expect(running()).toBe(0);
});

test('a read that fails throws at its chunk, after those before it', async () => {
  const { source } = countingSource(40);
  const chunks = readChunks([tensor(source, 'w', 0, 64)], { chunkBytes: 16 });
  expect((await chunks.next()).value).toMatchObject({ offsetBytes: 0 });
  expect((await chunks.next()).value).toMatchObject({ offsetBytes: 16 });
  await expect(chunks.next()).rejects.toThrow('read past the end');
  expect((await chunks.next()).done).toBe(true);
});

test('the signal reaches the source', async () => {
  const { source } = countingSource(64);
  const aborting: ByteSource = {
    ...source,
    read: async (offset, length, signal) => {
      if (signal?.aborted) throw new AbortError();
      return source.read(offset, length);
    },
  };
  const controller = new AbortController();
  const chunks = readChunks([tensor(aborting, 'w', 0, 64)], { chunkBytes: 16, signal: controller.signal });
  await chunks.next();
  controller.abort();
  await chunks.next();
  await expect(chunks.next()).rejects.toBeInstanceOf(AbortError);
});

test('a chunk that would cut an element is refused', async () => {
  const { source } = countingSource(64);
  await expect(readChunks([tensor(source, 'w', 0, 64)], { chunkBytes: 12 }).next()).rejects.toThrow(
    /chunks of 12 bytes/,
  );
});
