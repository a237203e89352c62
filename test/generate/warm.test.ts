import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { type LoadOptions, loadModel } from '../../src/generate/load-model.ts';
import type { GenerateOptions } from '../../src/generate/vision-language-model.ts';
import { describeOnAdapters } from '../adapters.ts';

const SCENE = 'examples/scene.png';
const USUAL: GenerateOptions = { prompt: 'Describe the image.', images: [SCENE], seed: 3 };
/** In another bucket than the usual question, and picked otherwise. */
const OWN: GenerateOptions = {
  prompt: `How many things do you see here, and ${'which of them is '.repeat(12)}the largest?`,
  images: [SCENE],
  temperature: 0.7,
  seed: 3,
  maxNewTokens: 6,
};

describeOnAdapters('a model that is warm', (getDevice) => {
  test('makes no pipeline for its first token, and answers as one that is not', async () => {
    const device = getDevice();
    const load = async (warm: LoadOptions['warm']) => {
      const stages: string[] = [];
      const before = device.pipelineCount;
      const model = await loadModel(undefined, {
        ...{ device, warm, dtype: 'f32' },
        onProgress: ({ stage, done, total }) => stages.push(done === total ? `${stage} done` : stage),
      });
      return { model, stages, liveBytes: device.memory.liveBytes, made: device.pipelineCount - before };
    };
    const madeBy = async (run: () => PromiseLike<unknown>): Promise<number> => {
      const before = device.pipelineCount;
      await run();
      return device.pipelineCount - before;
    };
    const usual = await load(true);
    expect(usual.made).toBeGreaterThan(20);
    expect(await madeBy(() => usual.model.generate(USUAL))).toBe(0);
    const { tokenIds } = await usual.model.generate(USUAL);
    usual.model.dispose();

    const asked = await load(OWN);
    expect(asked.made).toBeGreaterThan(0);
    expect(await madeBy(() => asked.model.generate(OWN))).toBe(0);
    const own = await asked.model.generate(OWN);
    asked.model.dispose();

    const cold = await load(false);
    expect(cold.stages).not.toContain('pipelines done');
    expect((await cold.model.generate(USUAL)).tokenIds).toEqual(tokenIds);
    expect((await cold.model.generate(OWN)).tokenIds).toEqual(own.tokenIds);
    cold.model.dispose();

    // Stages come in order, and what was warmed holds no memory.
    expect(usual.stages).toContain('pipelines done');
    expect(usual.stages.indexOf('weights done')).toBeLessThan(usual.stages.indexOf('pipelines done'));
    expect(usual.stages.lastIndexOf('weights done')).toBeLessThan(usual.stages.indexOf('pipelines done'));
    expect(usual.liveBytes).toBe(cold.liveBytes);
  });

  test('reads the picture of the request it was warmed with once, and those of later ones anew', async () => {
    const reads = { count: 0 };
    const bytes = await readFile(SCENE);
    const picture = new (class extends Blob {
      override arrayBuffer(): Promise<ArrayBuffer> {
        reads.count++;
        return super.arrayBuffer();
      }
    })([bytes]);
    const request: GenerateOptions = { ...USUAL, images: [picture], maxNewTokens: 2 };
    const model = await loadModel(undefined, { device: getDevice(), warm: request, dtype: 'f32' });
    const first = await model.generate(request);
    expect(reads.count).toBe(1);
    const second = await model.generate(request);
    expect(reads.count).toBe(2);
    model.dispose();
    expect(first.promptTokenIds).toEqual(second.promptTokenIds);
    expect(first.tokenIds).toEqual(second.tokenIds);
  });

  test('a request that cannot be answered loads all the same, and fails when it is made', async () => {
    const device = getDevice();
    const request: GenerateOptions = { prompt: 'word '.repeat(4000) };
    const model = await loadModel(undefined, { device, warm: request });
    await expect(model.generate(request)).rejects.toThrow(/do not fit/);
    model.dispose();
  });
});
