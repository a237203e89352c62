import { expect, test } from 'vitest';
import type { CapturedTensor } from '../../src/generate/captured.ts';
import type { PromptMedium } from '../../src/generate/read-prompt.ts';
import { WHOLE_AREA } from '../../src/image/visible-area.ts';
import {
  attentionLayers,
  attentionRow,
  attentionToPicture,
  imageTokens,
  queryWeights,
  towerAttention,
} from '../../src/look/attention.ts';
import { attentionRollout } from '../../src/look/rollout.ts';
import { randomSource } from '../compile/random.ts';

/** Two heads, two queries, three keys. */
const probabilities: CapturedTensor = {
  shape: [1, 2, 2, 3],
  values: Float32Array.of(1, 0, 0, 0.5, 0.25, 0.25, 0, 1, 0, 0.25, 0.25, 0.5),
};

test('a row is one head, or the mean of all', () => {
  expect([...attentionRow(probabilities, { query: 1, head: 0 })]).toEqual([0.5, 0.25, 0.25]);
  expect([...attentionRow(probabilities, { query: 0 })]).toEqual([0.5, 0.5, 0]);
  expect([...attentionRow(probabilities, { query: 1 })]).toEqual([0.375, 0.25, 0.375]);
  expect(() => attentionRow(probabilities, { query: 2 })).toThrow('query is 2; expected 0 to 1');
  expect(() => attentionRow(probabilities, { query: 0, head: 2 })).toThrow('head is 2; expected 0 to 1');
  expect(() => attentionRow(probabilities, { query: 0, tile: 1 })).toThrow('tile is 1; expected 0 to 0');
});

const picture = (tokens: number): PromptMedium => ({
  kind: 'image',
  layout: { tile: { kind: 'image', shape: [3, 32, 32] }, tiles: 1, tokens },
  areas: [WHOLE_AREA],
});

test("attention to a picture is that of its tokens, in its features' order", () => {
  const media = [picture(4), picture(1)];
  const imageIndex = Int32Array.of(-1, 0, 1, 2, 3, -1, 4, -1);
  expect(imageTokens(imageIndex, media, 0)).toEqual([1, 2, 3, 4]);
  expect(imageTokens(imageIndex, media, 1)).toEqual([6]);
  const row = Float32Array.of(0.125, 0.25, 0, 0.125, 0.125, 0, 0.25, 0.125);
  const first = attentionToPicture(row, { imageIndex, media });
  expect(first.share).toBe(0.5);
  expect(first.maps.map(({ rows, columns, values }) => [rows, columns, ...values])).toEqual([
    [2, 2, 0.25, 0, 0.125, 0.125],
  ]);
  expect(attentionToPicture(row, { imageIndex, media }, 1).share).toBe(0.25);
  expect(() => attentionToPicture(row, { imageIndex, media }, 2)).toThrow('picture 2 of 2');
  expect(() => attentionToPicture(row, { imageIndex, media: [] })).toThrow('a prompt with a picture');
});

test("a tower's attention is the class token's, the mean of all patches', or one patch's", () => {
  // Four patches behind a class token; row i of the one head looks at token i alone, but the class token at patch 2.
  const values = new Float32Array(25);
  [3, 1, 2, 3, 4].forEach((key, query) => {
    values[query * 5 + key] = 1;
  });
  const one: CapturedTensor = { shape: [1, 1, 5, 5], values };
  const of = (query: Parameters<typeof towerAttention>[2]) =>
    towerAttention(one, picture(4), query).map((map) => [...map.values]);
  expect(of('class')).toEqual([[0, 0, 1, 0]]);
  expect(of('patches')).toEqual([[0.25, 0.25, 0.25, 0.25]]);
  expect(of({ x: 0.9, y: 0.1 })).toEqual([[0, 1, 0, 0]]);
  expect(of({ x: 1, y: 1 })).toEqual([[0, 0, 0, 1]]);
  expect([...queryWeights(5, picture(4), 'patches')]).toEqual([0, 0.25, 0.25, 0.25, 0.25]);
  expect(() => queryWeights(4, picture(4), 'class')).toThrow('no class token');
  const blocks: PromptMedium = {
    ...picture(4),
    layout: { tile: { kind: 'image', shape: [16, 384], grid: [4, 4] }, tiles: 1, tokens: 4 },
  };
  expect(() => queryWeights(16, blocks, 'patches')).toThrow('blocks or windows');
});

test('layers are told from other names', () => {
  const tensor = (name: string, part: 'vision' | 'decoder') => ({ name, part, used: true, shape: [] });
  const names = [
    tensor('vision.layers.0.attention.probabilities', 'vision'),
    tensor('vision.head.attention.probabilities', 'vision'),
    tensor('layers.0.attention', 'decoder'),
    tensor('layers.0.attention.probabilities', 'decoder'),
  ];
  expect(attentionLayers(names, 'vision')).toEqual([names[0]]);
  expect(attentionLayers(names, 'decoder')).toEqual([names[3]]);
});

test('rollout of two layers, worked out by hand', () => {
  const first: CapturedTensor = { shape: [1, 1, 2, 2], values: Float32Array.of(1, 0, 0.5, 0.5) };
  // The mean of the two heads is [[0.5, 0.5], [0.25, 0.75]].
  const second: CapturedTensor = {
    shape: [1, 2, 2, 2],
    values: Float32Array.of(1, 0, 0.5, 0.5, 0, 1, 0, 1),
  };
  // With the residual: A1 = [[1, 0], [.25, .75]], A2 = [[.75, .25], [.125, .875]].
  // A2 A1 = [[.8125, .1875], [.34375, .65625]].
  expect([...attentionRollout([first, second], [1, 0])]).toEqual([0.8125, 0.1875]);
  expect([...attentionRollout([first, second], [0, 1])]).toEqual([0.34375, 0.65625]);
  expect([...attentionRollout([first, second], [0.5, 0.5])]).toEqual([0.578125, 0.421875]);
  expect([...attentionRollout([first, second], [0, 1], { residual: 0 })]).toEqual([0.625, 0.375]);
  expect(() => attentionRollout([first], [1, 0, 0])).toThrow("a layer's attention is [1, 1, 2, 2]");
});

test('rollout keeps what it is given, and is the row of the product of all layers', () => {
  const [S, H] = [5, 3];
  const random = randomSource(3);
  const layers = Array.from({ length: 4 }, (): CapturedTensor => {
    const values = Float32Array.from({ length: H * S * S }, random);
    for (let row = 0; row < H * S; row++) {
      const sum = values.subarray(row * S, (row + 1) * S).reduce((total, value) => total + value, 0);
      for (let j = 0; j < S; j++) values[row * S + j] = (values[row * S + j] ?? 0) / sum;
    }
    return { shape: [1, H, S, S], values };
  });
  const identity = Array.from({ length: S }, (_, i) =>
    Array.from({ length: S }, (_unused, j) => Number(i === j)),
  );
  const product = layers.reduce((below, { values }) => {
    const mixed = identity.map((row, i) =>
      row.map((same, j) => {
        const mean = [0, 1, 2].reduce((sum, h) => sum + (values[(h * S + i) * S + j] ?? 0) / H, 0);
        return 0.5 * same + 0.5 * mean;
      }),
    );
    return mixed.map((row) =>
      identity.map((_, j) => row.reduce((sum, weight, k) => sum + weight * (below[k]?.[j] ?? 0), 0)),
    );
  }, identity);
  for (let token = 0; token < S; token++) {
    const flow = attentionRollout(layers, identity[token] ?? []);
    expect(flow.reduce((sum, value) => sum + value, 0)).toBeCloseTo(1, 6);
    flow.forEach((value, j) => {
      expect(value).toBeCloseTo(product[token]?.[j] ?? Number.NaN, 6);
    });
  }
});
