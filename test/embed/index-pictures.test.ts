import { cp, mkdir, mkdtemp, readdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { AbortError } from '../../src/core/errors.ts';
import { embeddingCache } from '../../src/embed/embedding-cache.ts';
import { findPictures } from '../../src/embed/find-pictures.ts';
import { indexPictures } from '../../src/embed/index-pictures.ts';
import { modelIdentity } from '../../src/embed/model-identity.ts';
import type { PictureSource } from '../../src/image/load-picture.ts';
import { isPicture } from '../../src/image/picture.ts';
import type { Precision } from '../../src/models/parameters.ts';
import { folderFiles } from '../../src/weights/checkpoint-folder.ts';
import { withJson } from '../with-json.ts';

const GOLDEN = 'test/goldens/clip';

let root: string;
let photos: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'tessera-index-'));
  photos = join(root, 'photos');
  await mkdir(join(photos, 'inner'), { recursive: true });
  await cp(`${GOLDEN}/image_0.png`, join(photos, 'b.png'));
  await cp(`${GOLDEN}/image_1.png`, join(photos, 'inner', 'a.PNG'));
  await cp(`${GOLDEN}/image_2.png`, join(photos, 'inner', 'c.png'));
});
afterEach(() => rm(root, { recursive: true }));

/** Stands for a model: a picture's vector points along its width and height; it counts what it is given. */
function countingModel() {
  const batches: number[] = [];
  const embedAll = async (pictures: readonly PictureSource[]): Promise<Float32Array[]> => {
    batches.push(pictures.length);
    return pictures.map((picture) => {
      if (!(typeof picture === 'object' && isPicture(picture))) return expect.unreachable();
      const length = Math.hypot(picture.width, picture.height);
      return Float32Array.of(picture.width / length, picture.height / length);
    });
  };
  // Only the overload for lists is called.
  const model = { maxImageBatch: 2, embedImage: embedAll as never };
  return { model, batches };
}

const cacheOf = (identity = 'model') => embeddingCache(identity, 2, root);
const index = async (model: ReturnType<typeof countingModel>['model'], cache = cacheOf()) =>
  indexPictures(await findPictures(photos), model, cache);

describe('pictures in a folder', () => {
  test('are found in all folders below, by extension, without hidden ones and linked folders', async () => {
    await writeFile(join(photos, 'notes.txt'), '');
    await mkdir(join(photos, '.thumbnails'));
    await writeFile(join(photos, '.thumbnails', 'x.png'), '');
    await symlink(photos, join(photos, 'inner', 'loop'));
    await symlink(photos, join(photos, 'inner', 'loop.png'));
    await symlink(join(photos, 'b.png'), join(photos, 'inner', 'link.png'));
    const { paths, skipped } = await findPictures(photos);
    expect(paths.map((path) => path.slice(photos.length + 1))).toEqual([
      'b.png',
      'inner/a.PNG',
      'inner/c.png',
      'inner/link.png',
    ]);
    expect(skipped).toEqual([]);
  });

  test('a folder without any, or none, is an error', async () => {
    await mkdir(join(root, 'empty'));
    await expect(findPictures(join(root, 'empty'))).rejects.toThrow(
      'holds no picture; expected files ending in .png',
    );
    await expect(findPictures(join(root, 'nowhere'))).rejects.toThrow('cannot be listed (ENOENT');
    await expect(findPictures(join(photos, 'b.png'))).rejects.toThrow('cannot be listed (ENOTDIR');
  });
});

describe('the index', () => {
  test('encodes each picture once: not again, not when moved, not its copies', async () => {
    const { model, batches } = countingModel();
    const first = await index(model);
    expect(first).toMatchObject({ encoded: 3, skipped: [], cacheProblem: undefined });
    expect(batches).toEqual([2, 1]);

    const again = await index(model);
    expect(again.encoded).toBe(0);
    expect(again.pictures).toHaveLength(3);
    const byPath = (pictures: typeof first.pictures) =>
      new Map(pictures.map(({ path, embedding }) => [path, [...embedding]]));
    expect(byPath(again.pictures)).toEqual(byPath(first.pictures));

    await rename(join(photos, 'b.png'), join(photos, 'moved.png'));
    await cp(join(photos, 'moved.png'), join(photos, 'copy.png'));
    const moved = await index(model);
    expect(moved).toMatchObject({ encoded: 0, pictures: { length: 4 } });
    expect(batches).toEqual([2, 1]);
  });

  test('encodes a changed picture, and copies of a new one together', async () => {
    const { model, batches } = countingModel();
    await index(model);
    await cp('examples/scene.png', join(photos, 'b.png'));
    await cp('examples/scene.png', join(photos, 'inner', 'd.png'));
    const changed = await index(model);
    expect(changed).toMatchObject({ encoded: 1, pictures: { length: 4 } });
    expect(batches).toEqual([2, 1, 1]);
    const [b, d] = ['b.png', 'inner/d.png'].map((name) =>
      changed.pictures.find(({ path }) => path === join(photos, name)),
    );
    expect(b?.embedding).toEqual(d?.embedding);
  });

  test('another model has its own embeddings', async () => {
    const { model } = countingModel();
    await index(model, cacheOf('one'));
    expect((await index(model, cacheOf('two'))).encoded).toBe(3);
  });

  test('names what it leaves out, tries it again, and goes on', async () => {
    const whole = await readFile(`${GOLDEN}/image_0.png`);
    await writeFile(join(photos, 'cut.png'), whole.subarray(0, 100));
    await writeFile(join(photos, 'text.png'), 'no picture');
    await symlink(join(root, 'gone.png'), join(photos, 'gone.png'));
    const { model } = countingModel();
    for (const encoded of [3, 0]) {
      const result = await index(model);
      expect(result).toMatchObject({ encoded, pictures: { length: 3 } });
      const problems = new Map(result.skipped.map(({ path, problem }) => [path, problem]));
      expect([...problems.keys()].sort()).toEqual(
        ['cut.png', 'gone.png', 'text.png'].map((name) => join(photos, name)),
      );
      expect(problems.get(join(photos, 'cut.png'))).toContain('does not decode');
      expect(problems.get(join(photos, 'text.png'))).toContain('no picture format read here');
      expect(problems.get(join(photos, 'gone.png'))).toContain('it cannot be read (ENOENT');
    }
  });

  test('reports progress up to the number of pictures', async () => {
    const seen: (readonly [number, number])[] = [];
    const found = await findPictures(photos);
    await indexPictures(found, countingModel().model, cacheOf(), {
      onProgress: (done, total) => seen.push([done, total]),
    });
    expect(seen).toEqual([
      [0, 3],
      [0, 3],
      [0, 3],
      [2, 3],
      [3, 3],
    ]);
  });

  test('an interrupted run keeps what it has done', async () => {
    const abort = new AbortController();
    const { model, batches } = countingModel();
    const found = await findPictures(photos);
    const stopped = indexPictures(found, model, cacheOf(), {
      signal: abort.signal,
      onProgress: (done) => done === 2 && abort.abort(),
    });
    await expect(stopped).rejects.toBeInstanceOf(AbortError);
    expect((await index(model)).encoded).toBe(1);
    expect(batches).toEqual([2, 1]);
  });

  test('a cache that cannot be written to is no reason to stop', async () => {
    await writeFile(join(root, 'embeddings'), 'a file where the folder should be');
    const result = await index(countingModel().model);
    expect(result).toMatchObject({ encoded: 3, pictures: { length: 3 } });
    expect(result.cacheProblem).toMatch(/ENOTDIR|EEXIST/);
  });
});

describe('the cache', () => {
  const hash = 'ab'.repeat(32);

  test('gives back the same values, and leaves nothing half-written', async () => {
    const cache = cacheOf();
    expect(await cache.get(hash)).toBeUndefined();
    const embedding = Float32Array.of(0.6, -0.8);
    await cache.put(hash, embedding);
    expect(await cache.get(hash)).toEqual(embedding);
    expect(await readdir(join(cache.folder, 'ab'))).toEqual([`${hash}.f32`]);
  });

  test('what is damaged counts as missing', async () => {
    const cache = cacheOf();
    await cache.put(hash, Float32Array.of(0.6, -0.8));
    const path = join(cache.folder, 'ab', `${hash}.f32`);
    const bytes = await readFile(path);
    for (const damaged of [bytes.subarray(0, 4), Buffer.alloc(8), Buffer.alloc(8, 0xff)]) {
      await writeFile(path, damaged);
      expect(await cache.get(hash)).toBeUndefined();
    }
  });
});

describe('a model is known', () => {
  const f32: Precision = { weights: 'f32', activations: 'f32', kvCache: 'f32' };

  test('by what it holds and not by where it lies', async () => {
    const identity = await modelIdentity(await folderFiles(GOLDEN), f32);
    expect(identity).toMatch(/^[0-9a-f]{64}$/);
    const elsewhere = join(root, 'model');
    await cp(GOLDEN, elsewhere, { recursive: true });
    expect(await modelIdentity(await folderFiles(elsewhere), f32)).toBe(identity);

    const others = [
      await modelIdentity(await folderFiles(GOLDEN), { ...f32, weights: 'f16' }),
      await modelIdentity(await withJson(GOLDEN, { 'preprocessor_config.json': { resample: 2 } }), f32),
      await modelIdentity(await folderFiles('test/goldens/siglip'), f32),
      await modelIdentity(await folderFiles('test/goldens/siglip2'), f32),
    ];
    const weights = await readFile(join(elsewhere, 'model.safetensors'));
    // A fine-tuned sibling: same names and shapes, other values in the last tensor.
    weights.fill(0x3d, weights.length - 4096);
    await writeFile(join(elsewhere, 'model.safetensors'), weights);
    others.push(await modelIdentity(await folderFiles(elsewhere), f32));
    expect(new Set([identity, ...others]).size).toBe(6);
  });
});
