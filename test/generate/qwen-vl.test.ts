import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createImageEncoder } from '../../src/generate/image-encoder.ts';
import { loadModel } from '../../src/generate/load-model.ts';
import type { VisionLanguageModel } from '../../src/generate/vision-language-model.ts';
import { createWeightStore } from '../../src/runtime/weight-store.ts';
import type { ContentPart, Message } from '../../src/text/messages.ts';
import { makePrompt } from '../../src/verify/inputs.ts';
import { describeOnAdapters } from '../adapters.ts';
import { openGolden } from '../models/golden.ts';
import { goldenPath, readGoldenJson } from '../read-golden.ts';

const fileOf = (name: string): string => fileURLToPath(goldenPath(`qwen2_5_vl/${name}`));
const picture: ContentPart = { type: 'image', image: fileOf('image_0.png') };
const video: ContentPart = {
  type: 'video',
  video: [0, 1, 2, 3, 4].map((frame) => fileOf(`video_0_frame_${frame}.png`)),
};
const text = (words: string): ContentPart => ({ type: 'text', text: words });
const user = (...content: readonly ContentPart[]): Message => ({ role: 'user', content });

describeOnAdapters('Qwen2.5-VL', (getDevice) => {
  let model: VisionLanguageModel;
  beforeAll(async () => {
    const device = getDevice();
    model = await loadModel(fileURLToPath(goldenPath('qwen2_5_vl')), { device, dtype: 'f32' });
  });
  afterAll(() => model.dispose());

  test("answers by the package's front door as the reference does", async () => {
    const { runs } = readGoldenJson<{ runs: readonly { generated_ids: readonly number[] }[] }>(
      'qwen2_5_vl/reference.json',
    );
    const messages = [user(picture, text('Describe the picture in detail.'))];
    const answer = await model.generate({ messages, greedy: true, maxNewTokens: 24 });
    expect(answer.tokenIds).toEqual(runs[0]?.generated_ids);
  });

  test('goes on with a picture, a video and more words as a fresh start does', async () => {
    const both = async (messages: readonly Message[]) => {
      const request = { messages, greedy: true, maxNewTokens: 6 };
      const going = await model.generate(request);
      const afresh = await model.generate({ ...request, seed: 1 });
      expect(going.tokenIds).toEqual(afresh.tokenIds);
      // The fresh start replaced what was kept by the same.
      return going;
    };
    const messages = [user(text('What is '), picture)];
    const first = await both(messages);
    messages.push({ role: 'assistant', content: first.text }, user(video, text(' and this?')));
    const second = await both(messages);
    expect(second.stats.reusedTokens).toBeGreaterThanOrEqual(first.promptTokenIds.length - 1);
    messages.push({ role: 'assistant', content: second.text }, user(text('And then?')));
    const third = await both(messages);
    expect(third.stats.reusedTokens).toBeGreaterThan(first.promptTokenIds.length);
  });

  test('a smaller max_pixels makes fewer tokens', async () => {
    const count = async (processor?: Readonly<Record<string, unknown>>) => {
      const request = {
        messages: [user(picture)],
        greedy: true,
        maxNewTokens: 1,
        ...(processor && { processor }),
      };
      return (await model.generate(request)).promptTokenIds.length;
    };
    expect((await count()) - (await count({ max_pixels: 1024, min_pixels: 256 }))).toBe(12 - 2);
  });
});

describeOnAdapters('a picture that no buffer holds', (getDevice) => {
  test('is refused with what to do about it', async () => {
    const device = getDevice();
    const { model, assets, files, reference, index, root, close } = await openGolden('qwen2_vl');
    const limits = { ...device.caps.limits, maxStorageBufferBindingSize: 16384 };
    const small = { ...device, caps: { ...device.caps, limits } };
    const weights = createWeightStore(device, index);
    const precision = { weights: 'f32', activations: 'f32', kvCache: 'f32' } as const;
    const encoder = createImageEncoder({ device: small, model, weightScope: root, weights, precision });
    const [run] = reference.runs;
    try {
      const { prompt } = await makePrompt(assets, files, run ?? expect.fail('no run'), '');
      await expect(encoder.encode(prompt.media)).rejects.toThrow(
        /picture: 6x8 patches are more than .* can encode, one buffer of which holds 16384 bytes; expected fewer\. Shrink it, or set max_pixels/,
      );
    } finally {
      encoder.dispose();
      weights.dispose();
      await close();
    }
  });
});
