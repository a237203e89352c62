import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ContrastiveModel } from '../../src/embed/contrastive-model.ts';
import { loadContrastiveModel } from '../../src/embed/load-contrastive-model.ts';
import { loadModel } from '../../src/generate/load-model.ts';
import type { VisionLanguageModel } from '../../src/generate/vision-language-model.ts';
import { attentionLayers, attentionRow, attentionToPicture } from '../../src/look/attention.ts';
import { peakOf } from '../../src/look/heat-map.ts';
import { logitLens, type WordMap, wordMaps } from '../../src/look/logit-lens.ts';
import { pictureVector } from '../../src/look/picture-vector.ts';
import { similarityMap } from '../../src/look/similarity.ts';
import { softmaxRow } from '../../src/look/softmax.ts';
import { tokenText } from '../../src/look/token-text.ts';
import { describeOnAdapters } from '../adapters.ts';
import { goldenPath, readGoldenJson } from '../read-golden.ts';
import { hostPatches } from './host-patches.ts';

const SCENE = 'examples/scene.png';

describeOnAdapters('inside the built-in model', (getDevice) => {
  let model: VisionLanguageModel;
  beforeAll(async () => {
    model = await loadModel(undefined, { device: getDevice(), dtype: 'f32' });
  });
  afterAll(() => model.dispose());

  test('the lens after the last layer is what the model writes, with its own probabilities', async () => {
    const answer = (await model.describe(SCENE, { greedy: true, maxNewTokens: 6 })).tokenIds;
    const request = { image: SCENE, answer };
    const { tokenIds } = await model.readPrompt(request);
    const lens = await logitLens(model, request, { top: 3 });
    const layers = model.model.text.numHiddenLayers;
    expect(lens.layers.map(({ layer }) => layer)).toEqual(Array.from({ length: layers + 1 }, (_, i) => i));
    expect(lens.positions.map(({ nextId }) => nextId)).toEqual(answer);
    const begin = tokenIds.length - answer.length - 1;
    expect(lens.positions.map(({ position, id }) => [position, id])).toEqual(
      answer.map((_, i) => [begin + i, tokenIds[begin + i]]),
    );
    const last = lens.layers.at(-1)?.top ?? [];
    expect(last.map(([best]) => best?.id)).toEqual(answer);
    // The logits of another graph, which has its own last norm.
    const logits = (await model.capture(['logits'], request)).get('logits');
    const V = logits?.shape[1] ?? 0;
    last.forEach((top, i) => {
      const row = softmaxRow(
        logits?.values.slice((begin + i) * V, (begin + i + 1) * V) ?? new Float32Array(),
      );
      expect(top).toHaveLength(3);
      for (const { id, probability } of top) expect(probability).toBeCloseTo(row[id] ?? Number.NaN, 5);
    });
    // An embedding is nearest to itself: the table is tied.
    expect(lens.layers[0]?.top.map(([best]) => best?.id)).toEqual(lens.positions.map(({ id }) => id));
  });

  test('without an answer the lens is on what comes next, and places outside are refused', async () => {
    const { tokenIds } = await model.readPrompt({ image: SCENE });
    const lens = await logitLens(model, { image: SCENE });
    expect(lens.positions).toEqual([
      { position: tokenIds.length - 1, id: tokenIds.at(-1), text: ':', nextId: null },
    ]);
    await expect(logitLens(model, { image: SCENE }, { positions: [tokenIds.length] })).rejects.toThrow(
      `position ${tokenIds.length} was asked for; expected 0 to ${tokenIds.length - 1}`,
    );
  });

  test('words are where they are: a carrot, a strawberry, the background', async () => {
    const [carrot, strawberry, background] = await wordMaps(model, { image: SCENE }, [
      'carrot',
      'strawberry',
      'background',
    ]);
    const peak = (word: WordMap | undefined) => {
      if (!word?.maps[0]) throw new Error('a word has a map');
      return peakOf(word.maps[0]);
    };
    const [carrotX, carrotY] = peak(carrot);
    expect(carrotX > 0.3 && carrotX < 0.7 && carrotY > 0.5 && carrotY < 0.8).toBe(true);
    const [berryX, berryY] = peak(strawberry);
    expect(berryX > 0.65 && berryX < 0.9 && berryY > 0.75).toBe(true);
    expect(carrot?.text).toBe('carrot');
    const top = background?.maps[0]?.values.slice(0, 16) ?? [];
    expect(Math.min(...top)).toBeGreaterThan(0.9);
    await expect(wordMaps(model, { image: SCENE }, ['x'], { layer: 5 })).rejects.toThrow('layer is 5');
    await expect(wordMaps(model, { image: SCENE }, [' '])).rejects.toThrow('has no token');
  });

  test("a picture's vector is the mean of its features", async () => {
    const features = (await model.capture(['imageFeatures'], { image: SCENE })).get('imageFeatures');
    const vector = await pictureVector(model, SCENE);
    const [rows = 0, width = 0] = features?.shape ?? [];
    expect([rows, width, vector.length]).toEqual([64, 192, 192]);
    const column = Array.from({ length: rows }, (_, row) => features?.values[row * width + 7] ?? Number.NaN);
    expect(vector[7]).toBeCloseTo(column.reduce((sum, value) => sum + value, 0) / rows, 5);
  });
});

describeOnAdapters('pictures in tiles', (getDevice) => {
  const request = { prompt: 'What is it?', images: ['examples/scene-09.png'] };
  const load = (name: string) =>
    loadModel(fileURLToPath(goldenPath(name)), { device: getDevice(), dtype: 'f32' });

  test('have a map per tile, each over its part of the picture', async () => {
    const model = await load('idefics3');
    try {
      const prompt = await model.readPrompt(request);
      const [name = ''] = attentionLayers(model.names(), 'decoder').map((layer) => layer.name);
      const captured = (await model.capture([name], request)).get(name);
      if (!captured) throw new Error('it was captured');
      const row = attentionRow(captured, { query: prompt.tokens.length - 1 });
      const { maps, share } = attentionToPicture(row, prompt);
      expect(maps.map(({ rows, columns, area }) => [rows, columns, ...area])).toEqual([
        [2, 2, 0, 0, 0.5, 0.5],
        [2, 2, 0.5, 0, 1, 0.5],
        [2, 2, 0, 0.5, 0.5, 1],
        [2, 2, 0.5, 0.5, 1, 1],
        [2, 2, 0, 0, 1, 1],
      ]);
      const total = maps.flatMap(({ values }) => [...values]).reduce((sum, value) => sum + value, 0);
      expect(total).toBeCloseTo(share, 5);
      expect(share).toBeGreaterThan(0.05);
    } finally {
      model.dispose();
    }
  });

  test('have none where the model joins and cuts them', async () => {
    const model = await load('llava_next');
    try {
      await expect(wordMaps(model, request, ['cat'])).rejects.toThrow('5 tiles are joined and cut');
    } finally {
      model.dispose();
    }
  });
});

test('a token is shown on one line, by its text where it has one', () => {
  const tokenizer = {
    decode: ([id]: readonly number[]) => ['▁', '\n', ' cat', '\ufffd', 'a"\\b'][id ?? 0] ?? '',
    idToToken: (id: number) => ['▁', '\n', '▁cat', '<0xE2>', 'a"\\b'][id] ?? null,
  };
  expect([0, 1, 2, 3, 4, 5].map((id) => tokenText(tokenizer, id))).toEqual([
    '▁',
    '\\n',
    'cat',
    '<0xE2>',
    'a"\\b',
    '#5',
  ]);
});

describe.each(['clip', 'siglip'] as const)('patches of %s', (name) => {
  describeOnAdapters('against f64 on the host', (getDevice) => {
    let model: ContrastiveModel;
    beforeAll(async () => {
      const folder = fileURLToPath(goldenPath(name));
      model = await loadContrastiveModel(folder, { device: getDevice(), dtype: 'f32' });
    });
    afterAll(() => model.dispose());

    test('each is embedded as if it were all that the last attention saw', async () => {
      const { images, texts } = readGoldenJson<{ images: string[]; texts: string[] }>(
        `${name}/reference.json`,
      );
      const image = goldenPath(`${name}/${images[0]}`);
      const patches = await model.embedPatches(image);
      const expected = await hostPatches(name, model, image);
      const { rows, columns, embeddings } = patches;
      expect(rows * columns).toBe(expected.length);
      expected.flat().forEach((value, i) => {
        expect(embeddings[i]).toBeCloseTo(value, 4);
      });
      const text = await model.embedText(texts[0] ?? '');
      const map = similarityMap(patches, text);
      const cosines = expected.map((patch) =>
        patch.reduce((sum, value, i) => sum + value * (text[i] ?? 0), 0),
      );
      expect(map.values.indexOf(Math.max(...map.values))).toBe(cosines.indexOf(Math.max(...cosines)));
      expect(() => similarityMap(patches, text.slice(1))).toThrow('expected two of one model');
    });
  });
});
