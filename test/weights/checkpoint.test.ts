import { mkdir, mkdtemp, open, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { InputError, WeightError } from '../../src/core/errors.ts';
import { blobSource, bytesSource } from '../../src/weights/byte-source.ts';
import { openCheckpoint } from '../../src/weights/checkpoint.ts';
import { type CheckpointFiles, memoryFiles, readJson, readText } from '../../src/weights/checkpoint-files.ts';
import { folderFiles } from '../../src/weights/checkpoint-folder.ts';
import { fileSource } from '../../src/weights/file-source.ts';
import { readTensor } from '../../src/weights/read-tensor.ts';
import { readSafetensorsIndex } from '../../src/weights/safetensors.ts';
import { encodeSafetensors } from '../../src/weights/write-safetensors.ts';
import { goldenPath, readGoldenJson, readGoldenTensors } from '../read-golden.ts';
import { rawFile } from './raw-file.ts';

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

/** A shard of one-byte tensors. */
const shard = (...names: string[]): Uint8Array =>
  encodeSafetensors(
    names.map((name, i) => ({ name, dtype: 'U8', shape: [1], bytes: Uint8Array.of(i) })),
    { format: 'pt' },
  );

const INDEX = 'model.safetensors.index.json';
const sharded = (weightMap: unknown, shards: Record<string, Uint8Array>): CheckpointFiles =>
  memoryFiles(
    'ckpt',
    new Map([[INDEX, utf8(JSON.stringify({ weight_map: weightMap }))], ...Object.entries(shards)]),
  );

/** Wraps files so that every opened source is counted until it is closed. */
function counted(files: CheckpointFiles): { files: CheckpointFiles; openSources: () => number } {
  let openSources = 0;
  return {
    openSources: () => openSources,
    files: {
      ...files,
      async open(file) {
        const source = await files.open(file);
        openSources++;
        return {
          ...source,
          async close() {
            openSources--;
            await source.close();
          },
        };
      },
    },
  };
}

describe('sharded checkpoints', () => {
  test('merge their shards, with tensors the index leaves out', async () => {
    const { files, openSources } = counted(
      sharded(
        { a: 's1.safetensors', b: 's2.safetensors' },
        {
          's1.safetensors': shard('a', 'unlisted'),
          's2.safetensors': shard('b'),
        },
      ),
    );
    const checkpoint = await openCheckpoint(files);
    const where = [...checkpoint.index].map(([name, entry]) => `${name} in ${entry.source.name}`);
    expect(where.sort()).toEqual([
      'a in s1.safetensors',
      'b in s2.safetensors',
      'unlisted in s1.safetensors',
    ]);
    expect([...checkpoint.metadata]).toEqual([['format', 'pt']]);
    expect(openSources()).toBe(2);
    await checkpoint.close();
    expect(openSources()).toBe(0);
  });

  test('a single file goes before an index', async () => {
    const files = memoryFiles(
      'ckpt',
      new Map([
        ['model.safetensors', shard('a')],
        [INDEX, utf8('not read')],
      ]),
    );
    expect([...(await openCheckpoint(files)).index.keys()]).toEqual(['a']);
  });

  const s1 = { 's1.safetensors': shard('a') };
  const manyShards = Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`t${i}`, `${i}.safetensors`]));
  const refused: readonly { name: string; files: CheckpointFiles; message: RegExp }[] = [
    ...[
      '../s1.safetensors',
      '/etc/passwd',
      'sub/s1.safetensors',
      '..',
      '',
      'C:\\s1',
      'a\u0000b',
      'a'.repeat(300),
    ].map((file) => ({
      name: `shard name ${JSON.stringify(file.slice(0, 20))}`,
      files: sharded({ a: file }, s1),
      message: /tensor "a": file name .*; expected a plain name of a file in the same folder/,
    })),
    {
      name: 'no weight_map',
      files: memoryFiles('ckpt', new Map([[INDEX, utf8('{}')]])),
      message: /ckpt: model\.safetensors\.index\.json: has no "weight_map" object/,
    },
    {
      name: 'an index that is no JSON',
      files: memoryFiles('ckpt', new Map([[INDEX, utf8('{"weight_map":')]])),
      message: /ckpt: model\.safetensors\.index\.json: invalid JSON/,
    },
    {
      name: 'a tensor named twice in the index',
      files: memoryFiles('ckpt', new Map([[INDEX, utf8('{"weight_map":{"a":"x","a":"y"}}')]])),
      message: /index\.json: key "a" occurs twice/,
    },
    { name: 'an empty weight_map', files: sharded({}, s1), message: /"weight_map" is empty/ },
    {
      name: 'a shard that is no string',
      files: sharded({ a: 1 }, s1),
      message: /tensor "a" maps to 1; expected a file name/,
    },
    {
      name: 'a shard that is not there',
      files: sharded({ a: 's1.safetensors', b: 's2.safetensors' }, s1),
      message: /ckpt: has no file s2\.safetensors/,
    },
    {
      name: 'a tensor that is in no shard',
      files: sharded({ a: 's1.safetensors', b: 's1.safetensors' }, s1),
      message: /tensor "b" is said to be in s1\.safetensors, but is in no shard/,
    },
    {
      name: 'a tensor in another shard than said',
      files: sharded(
        { a: 's1.safetensors', b: 's1.safetensors', c: 's2.safetensors' },
        { ...s1, 's2.safetensors': shard('b', 'c') },
      ),
      message: /tensor "b" is said to be in s1\.safetensors, but is in s2\.safetensors/,
    },
    {
      name: 'a tensor in two shards',
      files: sharded(
        { a: 's1.safetensors', b: 's2.safetensors' },
        { ...s1, 's2.safetensors': shard('a', 'b') },
      ),
      message: /tensor "a" is in s1\.safetensors and in s2\.safetensors; expected it once/,
    },
    {
      name: 'a damaged shard among many',
      files: sharded(manyShards, {
        ...Object.fromEntries(Object.entries(manyShards).map(([tensor, file]) => [file, shard(tensor)])),
        '7.safetensors': shard('t7').slice(0, -1),
      }),
      message: /^7\.safetensors: .*The file is truncated/,
    },
  ];
  test.each(refused)('$name is refused, and nothing stays open', async ({ files, message }) => {
    const watched = counted(files);
    const error = await openCheckpoint(watched.files).then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    expect(error).toBeInstanceOf(WeightError);
    expect((error as Error).message).toMatch(message);
    expect(watched.openSources()).toBe(0);
  });
});

describe('a checkpoint without safetensors', () => {
  test.each([
    [
      'pytorch_model.bin',
      /but pytorch_model\.bin; expected one of the two\. Convert it once with transformers/,
    ],
    ['model.Q4_K_M.gguf', /but model\.Q4_K_M\.gguf; .* original repository that the GGUF was made from/],
    ['adapter_model.safetensors', /but adapter_model\.safetensors; .* Rename a single weight file/],
    [
      'config.json',
      /holds neither model\.safetensors nor model\.safetensors\.index\.json; expected one of them/,
    ],
  ])('that holds %s says what to do', async (file, message) => {
    const files = memoryFiles('ckpt', new Map([[file, new Uint8Array(1)]]));
    await expect(openCheckpoint(files)).rejects.toThrow(message);
  });
});

describe('folders', () => {
  let folder = '';
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tessera-weights-'));
    await mkdir(join(folder, 'sub'));
    await writeFile(join(folder, 'blob'), shard('a', 'b'));
    await symlink('blob', join(folder, 'model.safetensors'));
    await writeFile(join(folder, 'config.json'), '{"a":1,"a":2}');
    await writeFile(join(folder, 'latin1.txt'), Uint8Array.of(0xe9));
  });
  afterAll(() => rm(folder, { recursive: true }));

  test('that are links into a cache open', async () => {
    const checkpoint = await openCheckpoint(await folderFiles(folder));
    expect([...checkpoint.index.keys()]).toEqual(['a', 'b']);
    await checkpoint.close();
  });

  test('list, find and read their files', async () => {
    const files = await folderFiles(folder);
    expect(await files.list()).toEqual(['blob', 'config.json', 'latin1.txt', 'model.safetensors', 'sub']);
    expect([await files.has('blob'), await files.has('sub'), await files.has('none')]).toEqual([
      true,
      false,
      false,
    ]);
    await expect(files.has('../x')).rejects.toThrow(/expected a plain name/);
    await expect(files.readBytes('none')).rejects.toThrow(/has no file none/);
    await expect(readText(files, 'latin1.txt')).rejects.toThrow(/latin1\.txt is not valid UTF-8/);
    await expect(readJson(files, 'config.json')).rejects.toThrow(/config\.json: key "a" occurs twice/);
  });

  test('that do not exist, or are files, are InputErrors that name the path', async () => {
    await expect(folderFiles(join(folder, 'none'))).rejects.toThrow(
      /none": does not exist; expected a folder/,
    );
    await expect(folderFiles(join(folder, 'blob'))).rejects.toThrow(/blob": is a file; expected the folder/);
    await expect(folderFiles(join(folder, 'blob', 'x'))).rejects.toBeInstanceOf(InputError);
  });

  test('a file cut while it is read is an error, not zeros', async () => {
    const path = join(folder, 'shrinking');
    await writeFile(path, new Uint8Array(100));
    const source = await fileSource(path);
    expect((await source.read(90, 10)).length).toBe(10);
    await truncate(path, 95);
    await expect(source.read(90, 10)).rejects.toThrow(
      /shrinking: the file ends after 95 bytes; expected 100/,
    );
    await source.close();
  });

  test('offsets beyond 4 GiB are exact', async () => {
    const path = join(folder, 'large.safetensors');
    const bigBytes = 5 * 2 ** 30;
    const header = `{"big":{"dtype":"U8","shape":[${bigBytes}],"data_offsets":[0,${bigBytes}]},"tail":{"dtype":"I8","shape":[2],"data_offsets":[${bigBytes},${bigBytes + 2}]}}`;
    // A sparse file: it takes no room on disk.
    const handle = await open(path, 'w');
    await handle.write(rawFile(header));
    await handle.write(Uint8Array.of(0xff, 7), 0, 2, 8 + header.length + bigBytes);
    await handle.close();
    const source = await fileSource(path);
    const tail = (await readSafetensorsIndex(source)).get('tail') ?? expect.fail('no tail');
    expect([...(await readTensor(tail, 'i32'))]).toEqual([-1, 7]);
    await source.close();
  });

  test('a folder or a missing path is no file source', async () => {
    await expect(fileSource(folder)).rejects.toThrow(/is not a regular file/);
    await expect(fileSource(join(folder, 'none'))).rejects.toThrow(/cannot be opened \(ENOENT/);
  });
});

describe('byte sources', () => {
  const bytes = Uint8Array.from({ length: 50 }, (_, i) => i);
  test.each([
    ['memory', bytesSource('f', bytes)],
    ['a Blob', blobSource('f', new Blob([bytes]))],
  ])('over %s read ranges and refuse others', async (_, source) => {
    expect(source.byteLength).toBe(50);
    expect([...(await source.read(48, 2))]).toEqual([48, 49]);
    expect((await source.read(50, 0)).length).toBe(0);
    await expect(source.read(49, 2)).rejects.toThrow(/f: read of bytes 49 to 51 of a file of 50 bytes/);
    await expect(source.read(0, 1, AbortSignal.abort())).rejects.toThrow(/f: reading aborted/);
  });
});

describe('goldens', () => {
  test.each([
    // Means of the final norm by Python's struct module.
    ['llava15', 89, 'F16', 1.0191497802734375],
    ['llava_linear', 87, 'F32', 1.015306182205677],
    ['llama3_text', 31, 'BF16', 1.004150390625],
    ['qwen2_text', 38, 'BF16', 2.1654575892857144],
  ])('%s opens with %i tensors of %s', async (name, tensorCount, dtype, normMean) => {
    const checkpoint = await openCheckpoint(await folderFiles(fileURLToPath(goldenPath(name))));
    expect(checkpoint.index.size).toBe(tensorCount);
    expect(checkpoint.metadata.get('format')).toBe('pt');
    const norm = [...checkpoint.index.values()].find((entry) => entry.name.endsWith('model.norm.weight'));
    expect(norm?.dtype).toBe(dtype);
    const values = await readTensor(norm ?? expect.fail('no norm'), 'f32');
    expect(values.reduce((sum, value) => sum + value, 0) / values.length).toBeCloseTo(normMean, 12);
    await checkpoint.close();
  });

  test.each(['llava15', 'ops'])(
    'every tensor of %s/reference.safetensors equals an independent reader',
    async (name) => {
      const path = `${name}/reference.safetensors`;
      const source = await fileSource(fileURLToPath(goldenPath(path)));
      const golden = readGoldenTensors(path);
      const targets: Record<string, 'f32' | 'i32' | 'u8'> = { F32: 'f32', I32: 'i32', I64: 'i32', U8: 'u8' };
      let compared = 0;
      for (const entry of (await readSafetensorsIndex(source)).values()) {
        const expected = golden(entry.name);
        const actual = await readTensor(entry, targets[entry.dtype] ?? expect.fail(entry.dtype));
        expect(entry.shape).toEqual(expected.shape);
        expect(Buffer.compare(bytesIn(actual), bytesIn(expected.data)), entry.name).toBe(0);
        compared++;
      }
      await source.close();
      expect(compared).toBe({ llava15: 19, ops: 451 }[name]);
    },
  );

  test('the generated ids of llava15 are those of its reference.json', async () => {
    const source = await fileSource(fileURLToPath(goldenPath('llava15/reference.safetensors')));
    const ids = (await readSafetensorsIndex(source)).get('chat.generated.ids') ?? expect.fail('no ids');
    const text = JSON.stringify(readGoldenJson('llava15/reference.json'));
    expect(text).toContain(JSON.stringify([...(await readTensor(ids, 'i32'))]).slice(1, -1));
    await source.close();
  });
});

const bytesIn = (array: ArrayBufferView): Buffer =>
  Buffer.from(array.buffer, array.byteOffset, array.byteLength);
