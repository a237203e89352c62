import { describe, expect, test } from 'vitest';
import { batchFor, largestBatch, MAX_BATCH, textLengthFor } from '../../src/embed/batches.ts';
import { scoreTexts, similarity } from '../../src/embed/scores.ts';

describe('batches', () => {
  test('are powers of two, so that few graphs serve all counts', () => {
    expect([1, 2, 3, 4, 5, 7, 8].map(batchFor)).toEqual([1, 2, 4, 4, 8, 8, 8]);
  });

  test('shrink until the widest intermediate fits into a binding', () => {
    const tower = { hiddenSize: 1152, intermediateSize: 4304, numHiddenLayers: 27 };
    const mebibytes = (count: number): number => count * 2 ** 20;
    // 729 tokens * 4304 * 4 bytes are 12.0 MiB.
    expect(largestBatch(tower, 729, mebibytes(128))).toBe(MAX_BATCH);
    expect(largestBatch(tower, 729, mebibytes(90))).toBe(4);
    expect(largestBatch(tower, 729, mebibytes(24))).toBe(2);
    expect(largestBatch(tower, 729, mebibytes(1))).toBe(1);
  });

  test('texts run in few lengths', () => {
    expect([3, 16, 17, 33, 77].map((tokens) => textLengthFor(tokens, 77))).toEqual([16, 16, 32, 77, 77]);
    expect([3, 24].map((tokens) => textLengthFor(tokens, 24))).toEqual([16, 24]);
    expect(textLengthFor(8, 8)).toBe(8);
  });
});

describe('scores', () => {
  const image = Float32Array.of(1, 0);
  const texts = [Float32Array.of(0.6, 0.8), Float32Array.of(-1, 0)];
  const parameters = { logitScale: Math.log(10), logitBias: -4 };

  test('softmax compares texts, sigmoid judges each by itself', () => {
    const soft = scoreTexts(image, texts, parameters, 'softmax');
    expect(soft.map(({ logit }) => logit)).toEqual([expect.closeTo(2, 5), expect.closeTo(-14, 5)]);
    expect(soft[0]?.probability).toBeCloseTo(1 / (1 + Math.exp(-16)), 12);
    expect((soft[0]?.probability ?? 0) + (soft[1]?.probability ?? 0)).toBeCloseTo(1, 12);
    const single = scoreTexts(image, texts, parameters, 'sigmoid', 2);
    expect(single.map(({ probability }) => probability)).toEqual([
      expect.closeTo(1 / (1 + Math.exp(-1)), 6),
      expect.closeTo(1 / (1 + Math.exp(7)), 6),
    ]);
  });

  test('logits of any size give probabilities', () => {
    const scores = scoreTexts(image, texts, { logitScale: Math.log(1e6), logitBias: 0 }, 'softmax');
    expect(scores.map(({ probability }) => probability)).toEqual([1, 0]);
  });

  test('embeddings of two models do not compare', () => {
    expect(similarity(image, Float32Array.of(0.5, 0.5))).toBe(0.5);
    expect(() => similarity(image, new Float32Array(3))).toThrow('embeddings have 2 and 3 values');
  });
});
