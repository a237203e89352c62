import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ContrastiveModel } from '../../src/embed/contrastive-model.ts';
import { loadContrastiveModel } from '../../src/embed/load-contrastive-model.ts';
import { loadModel } from '../../src/generate/load-model.ts';
import { loadPicture } from '../../src/image/load-picture.ts';
import { describeOnAdapters } from '../adapters.ts';
import { readGoldenJson, readGoldenTensors } from '../read-golden.ts';
import { withJson } from '../with-json.ts';

/** Of an embedding's value, and of a probability. */
const TOLERANCE = 1e-5;

function openGolden(name: string) {
  const { images, texts } = readGoldenJson<{ images: string[]; texts: string[] }>(`${name}/reference.json`);
  const tensors = readGoldenTensors(`${name}/reference.safetensors`);
  const rows = (tensor: string): number[][] => {
    const { data, shape } = tensors(tensor);
    const width = shape[1] ?? 0;
    return Array.from({ length: shape[0] ?? 0 }, (_, i) => [...data.slice(i * width, (i + 1) * width)]);
  };
  // JPEG decoders differ by a level.
  const decoded = images.map((image) => image.replace('.jpg', '.decoded.png'));
  return { pictures: decoded.map((image) => `test/goldens/${name}/${image}`), texts, rows };
}

function expectClose(actual: readonly ArrayLike<number>[], expected: readonly ArrayLike<number>[]): void {
  expect(actual.map(({ length }) => length)).toEqual(expected.map(({ length }) => length));
  const worst = Math.max(
    ...expected.flatMap((row, i) =>
      Array.from(row, (value, column) => Math.abs(value - (actual[i]?.[column] ?? Number.NaN))),
    ),
  );
  expect(worst).toBeLessThan(TOLERANCE);
}

describeOnAdapters('a contrastive model', (getDevice) => {
  describe.each(['clip', 'siglip', 'siglip2'])('%s', (name) => {
    const golden = openGolden(name);
    let model: ContrastiveModel;
    beforeAll(async () => {
      model = await loadContrastiveModel(`test/goldens/${name}`, { device: getDevice(), dtype: 'f32' });
    });
    afterAll(() => model.dispose());

    test('embeds pictures and texts as the reference does, one or many', async () => {
      expect(model.unusedTensors).toEqual([]);
      expectClose(await model.embedImage(golden.pictures), golden.rows('image_embeds'));
      expectClose(await model.embedText(golden.texts), golden.rows('text_embeds'));
      const [picture = ''] = golden.pictures;
      expectClose([await model.embedImage(picture)], golden.rows('image_embeds').slice(0, 1));
      expectClose([await model.embedText(golden.texts[3] ?? '')], golden.rows('text_embeds').slice(3));
    });

    test('classifies with the probabilities of the reference, the best label first', async () => {
      const expected = golden.rows('probs_per_image');
      const results = await model.classify(golden.pictures, golden.texts);
      expect(results).toHaveLength(3);
      results.forEach((scores, row) => {
        expect(scores.map(({ logit }) => logit)).toEqual(
          scores.map(({ logit }) => logit).sort((a, b) => b - a),
        );
        const inOrder = golden.texts.map(
          (text) => scores.find(({ label }) => label === text)?.probability ?? -1,
        );
        expectClose([inOrder], [expected[row] ?? []]);
      });
      const [alone] = [await model.classify(golden.pictures[1] ?? '', golden.texts)];
      expect(alone.map(({ label }) => label)).toEqual(results[1]?.map(({ label }) => label));
    });
  });

  describe('clip in particular', () => {
    const golden = openGolden('clip');
    let model: ContrastiveModel;
    beforeAll(async () => {
      model = await loadContrastiveModel('test/goldens/clip', { device: getDevice(), dtype: 'f32' });
    });
    afterAll(() => model.dispose());
    const [picture = ''] = golden.pictures;

    test('a temperature divides the logits, a template wraps the labels', async () => {
      const plain = await model.classify(picture, ['a photo of a cat.', 'a diagram']);
      const cooled = await model.classify(picture, ['a photo of a cat.', 'a diagram'], { temperature: 0.5 });
      const [best, other] = plain.map(({ logit }) => logit * 2);
      expect(cooled.map(({ logit }) => logit)).toEqual([best, other]);
      const odds = Math.exp((best ?? 0) - (other ?? 0));
      expect(cooled[0]?.probability).toBeCloseTo(odds / (1 + odds), 9);
      const wrapped = await model.classify(picture, ['cat.', '$&'], { template: 'a photo of a {}' });
      const whole = plain.find(({ label }) => label === 'a photo of a cat.');
      expect(wrapped.find(({ label }) => label === 'cat.')?.similarity).toBeCloseTo(
        whole?.similarity ?? 9,
        6,
      );
    });

    test('what cannot be classified is said', async () => {
      await expect(model.classify(picture, [])).rejects.toThrow('got no labels; expected one or more');
      await expect(model.classify(picture, ['a'], { template: 'none' })).rejects.toThrow(
        'template "none" has no {}',
      );
      for (const temperature of [0, -1, Number.NaN, Number.POSITIVE_INFINITY])
        await expect(model.classify(picture, ['a'], { temperature })).rejects.toThrow(
          `temperature is ${temperature}; expected a number above 0`,
        );
      expect(() => model.score(new Float32Array(32), [new Float32Array(8)])).toThrow(
        'embeddings have 32 and 8 values',
      );
    });

    test('a text that is too long is an error, unless it may be cut', async () => {
      const long = 'a photo of a cat. '.repeat(20);
      await expect(model.embedText(['a diagram', long])).rejects.toThrow(
        /text "a photo of a cat\. .*\.\.\.": has \d{3} tokens; expected at most 77/,
      );
      const cut = await model.embedText(long, { truncate: true });
      expect(Math.hypot(...cut)).toBeCloseTo(1, 5);
      expect(cut).not.toEqual(await model.embedText('a photo of a cat.'));
    });

    test('more pictures than a batch give each its own embedding, in memory that does not grow', async () => {
      const device = getDevice();
      const decoded = await Promise.all(golden.pictures.map((path) => loadPicture(path)));
      const many = (count: number) =>
        Array.from({ length: count }, (_, i) => decoded[i % 3] ?? expect.unreachable());
      const expected = golden.rows('image_embeds');
      // A full batch and a rest of 3, which runs in one of 4.
      await model.embedImage(many(model.maxImageBatch + 3));
      const { liveBytes } = device.memory;
      const embeddings = await model.embedImage(many(5 * model.maxImageBatch + 3));
      expectClose(
        embeddings,
        embeddings.map((_, i) => expected[i % 3] ?? []),
      );
      expect(device.memory.liveBytes).toBe(liveBytes);
      expect(await model.embedImage([])).toEqual([]);
    });

    test('calls at the same time do not mix', async () => {
      const [images, texts, single] = await Promise.all([
        model.embedImage(golden.pictures),
        model.embedText(golden.texts),
        model.embedImage(golden.pictures[2] ?? ''),
      ]);
      expectClose(images, golden.rows('image_embeds'));
      expectClose(texts, golden.rows('text_embeds'));
      expectClose([single], golden.rows('image_embeds').slice(2));
    });

    test('one bad picture fails the call, and the model lives on', async () => {
      const pictures = [...golden.pictures, 'test/goldens/clip/config.json'];
      await expect(model.embedImage(pictures)).rejects.toThrow('config.json');
      expectClose([await model.embedImage(picture)], golden.rows('image_embeds').slice(0, 1));
    });

    test('a signal stops it', async () => {
      const signal = AbortSignal.abort();
      await expect(model.embedImage(golden.pictures, { signal })).rejects.toMatchObject({ code: 'aborted' });
      await expect(model.classify(picture, ['a'], { signal })).rejects.toMatchObject({ code: 'aborted' });
    });
  });

  test('a tower that was not asked for is loaded when it is needed, and all is freed', async () => {
    const device = getDevice();
    const before = device.memory.liveBytes;
    const golden = openGolden('siglip');
    const model = await loadContrastiveModel('test/goldens/siglip', {
      device,
      dtype: 'f32',
      towers: ['text'],
    });
    const textBytes = device.memory.liveBytes - before;
    expectClose(await model.embedImage(golden.pictures), golden.rows('image_embeds'));
    expect(device.memory.liveBytes - before).toBeGreaterThan(2 * textBytes - 1);
    model.dispose();
    expect(device.memory.liveBytes).toBe(before);
    await expect(model.embedText('a diagram')).rejects.toThrow('the model is disposed');
  });

  test('loaders point at each other, and at a processor that does not fit', async () => {
    const device = getDevice();
    const before = device.memory.liveBytes;
    await expect(loadModel('test/goldens/clip', { device })).rejects.toThrow('Use loadContrastiveModel');
    await expect(loadContrastiveModel('models/demo', { device })).rejects.toThrow('Use loadModel');
    const processor = readGoldenJson<object>('clip/preprocessor_config.json');
    const files = await withJson('test/goldens/clip', {
      'preprocessor_config.json': { ...processor, crop_size: 24 },
    });
    await expect(loadContrastiveModel(files, { device })).rejects.toThrow(
      'the image processor gives 24x24 pixels, the vision tower takes 32x32',
    );
    expect(device.memory.liveBytes).toBe(before);
  });
});
