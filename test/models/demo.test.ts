import { readFileSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';
import { loadModel } from '../../src/generate/load-model.ts';
import { describeOnAdapters } from '../adapters.ts';

interface ExpectedScene {
  readonly image: string;
  readonly questions: readonly {
    readonly question: string;
    readonly prompt: string;
    readonly answer: string;
    readonly answerIds: readonly number[];
    readonly promptIds: readonly number[];
  }[];
}

/** The built-in model's greedy answers on the example pictures, as the reference classes computed them. */
const scenes = JSON.parse(readFileSync('examples/expected.json', 'utf8')) as ExpectedScene[];

describeOnAdapters('the built-in model', (getDevice, adapter) => {
  test('answers every example as the reference does, token for token', { timeout: 600_000 }, async () => {
    const model = await loadModel(undefined, { device: getDevice(), dtype: 'f32' });
    try {
      for (const { image, questions } of scenes) {
        for (const { question, answer, answerIds, promptIds } of questions) {
          const result = await model.describe(`examples/${image}`, { prompt: question, greedy: true });
          expect(result.promptTokenIds).toEqual(promptIds);
          expect({ image, question, text: result.text, ids: result.tokenIds }).toEqual({
            image,
            question,
            text: answer,
            ids: answerIds,
          });
        }
      }
    } finally {
      model.dispose();
    }
  });

  test.each([
    ['q8', 0.0055],
    ['q4', 0.083],
  ] as const)('in %s it says what it sees all the same', async (dtype, error) => {
    const model = await loadModel(undefined, { device: getDevice(), dtype });
    try {
      const { weights } = model;
      expect((await model.describe('examples/scene.png', { greedy: true })).text).toBe(
        'A carrot and a strawberry on a grey background.',
      );
      // 4.6 million parameters: matrices of 4.59 million, the rest in f32.
      expect(weights.byteLength / 4.63e6).toBeLessThan(dtype === 'q8' ? 1.15 : 0.67);
      expect(weights.rounding).toMatchObject({ dtype, tensors: 61 });
      expect(weights.rounding?.meanRelativeError).toBeLessThan(error);
      expect(weights.rounding?.meanRelativeError).toBeGreaterThan(0.9 * error);
    } finally {
      model.dispose();
    }
  });

  // SwiftShader takes ten times as long for the same evidence.
  const calls = adapter === 'swiftshader' ? 60 : 200;

  test(`${calls} answers leave memory as it was`, { timeout: 1_200_000 }, async () => {
    const device = getDevice();
    const model = await loadModel(undefined, { device, dtype: 'f32' });
    const ask = () => model.describe('examples/scene.png', { greedy: true, maxNewTokens: 4 });
    try {
      const first = await ask();
      for (let i = 0; i < 40; i++) await ask();
      const liveBytes = device.memory.liveBytes;
      const before = await settledMemory();
      for (let i = 0; i < calls - 40; i++) expect((await ask()).tokenIds).toEqual(first.tokenIds);
      const after = await settledMemory();
      expect(device.memory.liveBytes).toBe(liveBytes);
      // A leak of one prompt's buffers per call (over 100 kB each) would show as 16 MB and more.
      expect(after.heapUsed + after.arrayBuffers - before.heapUsed - before.arrayBuffers).toBeLessThan(
        8 * 2 ** 20,
      );
      expect(after.rss - before.rss).toBeLessThan(48 * 2 ** 20);
    } finally {
      model.dispose();
    }
  });
});

/** Memory after a full collection and the finalizers that it lets run, so that only what is held is counted. */
async function settledMemory(): Promise<NodeJS.MemoryUsage> {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  for (let i = 0; i < 3; i++) {
    collect();
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return process.memoryUsage();
}
