import { expect, test } from 'vitest';
import { InputError } from '../../src/core/errors.ts';
import { fanInInit, randomTensors } from '../../src/weights/random-tensors.ts';
import { readTensor } from '../../src/weights/read-tensor.ts';
import type { TensorIndex } from '../../src/weights/safetensors.ts';

const SHAPES = new Map([
  ['fc1.weight', [64, 400]],
  ['fc2.weight', [64, 400]],
  ['fc1.bias', [64]],
  ['norm.weight', [64]],
]);

async function values(index: TensorIndex, name: string): Promise<Float32Array> {
  const entry = index.get(name);
  if (!entry) throw new Error(`no ${name}`);
  return readTensor(entry, 'f32');
}

test('a matrix has mean 0, a variance of 1 / fan-in and the tails of a normal', async () => {
  const weight = await values(randomTensors(SHAPES, 7), 'fc1.weight');
  expect(weight.length).toBe(64 * 400);
  const scaled = [...weight].map((v) => v * 20);
  const mean = scaled.reduce((sum, v) => sum + v, 0) / scaled.length;
  const variance = scaled.reduce((sum, v) => sum + (v - mean) ** 2, 0) / scaled.length;
  // Four standard errors: 1 / √n of the mean, √(2 / n) of the variance.
  expect(Math.abs(mean)).toBeLessThan(4 / Math.sqrt(scaled.length));
  expect(Math.abs(variance - 1)).toBeLessThan(4 * Math.sqrt(2 / scaled.length));
  const beyondTwo = scaled.filter((v) => Math.abs(v) > 2).length / scaled.length;
  expect(Math.abs(beyondTwo - 0.0455)).toBeLessThan(4 * Math.sqrt(0.0455 / scaled.length));
});

test('biases are 0 and norm weights 1', async () => {
  const index = randomTensors(SHAPES, 7);
  expect(new Set(await values(index, 'fc1.bias'))).toEqual(new Set([0]));
  expect(new Set(await values(index, 'norm.weight'))).toEqual(new Set([1]));
});

test('values follow from seed and name', async () => {
  const weight = await values(randomTensors(SHAPES, 7), 'fc1.weight');
  const alone = randomTensors(new Map([['fc1.weight', [64, 400]]]), 7);
  expect(await values(alone, 'fc1.weight')).toEqual(weight);
  const same = (other: Float32Array): number => other.filter((v, i) => v === weight[i]).length;
  expect(same(await values(randomTensors(SHAPES, 8), 'fc1.weight'))).toBe(0);
  expect(same(await values(randomTensors(SHAPES, 7), 'fc2.weight'))).toBe(0);
});

test('a range of bytes is that of the whole, wherever it starts', async () => {
  const entry = randomTensors(SHAPES, 7).get('fc1.weight');
  const whole = await entry?.source.read(0, 400);
  expect(await entry?.source.read(6, 30)).toEqual(whole?.slice(6, 36));
  await expect(entry?.source.read(64 * 400 * 4 - 4, 8)).rejects.toThrow('read of bytes');
});

test('a rule may say other values', async () => {
  const index = randomTensors(SHAPES, 7, (name, shape) =>
    name === 'norm.weight' ? { kind: 'constant', value: 0 } : fanInInit(name, shape),
  );
  expect(new Set(await values(index, 'norm.weight'))).toEqual(new Set([0]));
});

test.each([-1, 0.5, 2 ** 32, Number.NaN])('seed %d is refused', (seed) => {
  expect(() => randomTensors(SHAPES, seed)).toThrow(InputError);
});
