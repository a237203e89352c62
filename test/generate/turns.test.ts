import { afterAll, beforeAll, expect, test } from 'vitest';
import { bufferUsage } from '../../src/device/buffer-usage.ts';
import { createFeatureCache } from '../../src/generate/feature-cache.ts';
import { createImageEncoder } from '../../src/generate/image-encoder.ts';
import { loadModel } from '../../src/generate/load-model.ts';
import type { GenerateOptions, VisionLanguageModel } from '../../src/generate/vision-language-model.ts';
import type { ProcessedMedium } from '../../src/processors/processor.ts';
import { createWeightStore } from '../../src/runtime/weight-store.ts';
import type { ContentPart, Message } from '../../src/text/messages.ts';
import { describeOnAdapters } from '../adapters.ts';
import { openGolden } from '../models/golden.ts';

const SCENE = 'examples/scene.png';
const OTHER = 'examples/scene-01.png';

const user = (...content: readonly (string | { readonly image: string })[]): Message => ({
  role: 'user',
  content: content.map(
    (part): ContentPart =>
      typeof part === 'string' ? { type: 'text', text: part } : { type: 'image', image: part.image },
  ),
});
const assistant = (content: string): Message => ({ role: 'assistant', content });

describeOnAdapters('a conversation', (getDevice) => {
  let model: VisionLanguageModel;
  beforeAll(async () => {
    model = await loadModel(undefined, { device: getDevice(), dtype: 'f32' });
  });
  afterAll(() => model.dispose());

  /** The answer from an empty cache, which a seed asks for, and the one that goes on from what is there. */
  async function both(messages: readonly Message[], options: Partial<GenerateOptions> = {}) {
    const request = { messages, greedy: true, maxNewTokens: 8, ...options };
    const going = await model.generate(request);
    const afresh = await model.generate({ ...request, seed: 1 });
    expect(afresh.stats.reusedTokens).toBe(0);
    return { going, afresh };
  }

  test('text and pictures in any order over several turns give what a fresh start gives', async () => {
    const messages: Message[] = [
      user('Before it, ', { image: SCENE }, ' then ', { image: OTHER }, ' compare.'),
    ];
    const first = await both(messages);
    expect(first.going.tokenIds).toEqual(first.afresh.tokenIds);

    messages.push(assistant(first.going.text), user('And ', { image: SCENE }, '?'));
    const second = await both(messages);
    expect(second.going.tokenIds).toEqual(second.afresh.tokenIds);
    // All of the first prompt, with two pictures of 64 tokens.
    expect(second.going.stats.reusedTokens).toBeGreaterThanOrEqual(first.going.promptTokenIds.length - 1);
    expect(first.going.promptTokenIds.length).toBeGreaterThan(2 * 64);
  });

  test('another picture at the same place is not taken for the first', async () => {
    const ask = (image: string) => [user({ image }, 'Describe the image.')];
    const scene = await both(ask(SCENE));
    const other = await both(ask(OTHER));
    expect(other.going.tokenIds).toEqual(other.afresh.tokenIds);
    expect(other.going.tokenIds).not.toEqual(scene.going.tokenIds);
    expect(other.going.stats.reusedTokens).toBeLessThan(64);
  });

  test('a second question about a picture goes on behind the picture', async () => {
    await model.generate({ messages: [user({ image: SCENE }, 'Describe the image.')], maxNewTokens: 4 });
    const { stats } = await model.generate({
      messages: [user({ image: SCENE }, 'How many carrots are there?')],
      maxNewTokens: 4,
    });
    expect(stats.reusedTokens).toBeGreaterThanOrEqual(64);
  });

  test('a repetition penalty counts the tokens that were kept', async () => {
    const messages = [user({ image: SCENE }, 'Describe the image.')];
    const options = { repetitionPenalty: 3, maxNewTokens: 10 };
    const first = await both(messages, options);
    expect(first.going.tokenIds).toEqual(first.afresh.tokenIds);
    const longer = [...messages, assistant(first.going.text), user('Describe the image.')];
    const second = await both(longer, options);
    expect(second.going.stats.reusedTokens).toBeGreaterThan(64);
    expect(second.going.tokenIds).toEqual(second.afresh.tokenIds);
  });

  test('a stopped answer leaves a cache that can be gone on from', async () => {
    const messages = [user({ image: OTHER }, 'Describe the image.')];
    for await (const _piece of model.generate({ messages, greedy: true })) break;
    const { going, afresh } = await both([...messages, assistant('It'), user('Describe the image.')]);
    expect(going.tokenIds).toEqual(afresh.tokenIds);
  });
});

describeOnAdapters('the image encoder', (getDevice) => {
  test('encodes equal pictures once, and those without a key each time', async () => {
    const device = getDevice();
    const { model, index, root, close } = await openGolden('llava15');
    const liveBytes = device.memory.liveBytes;
    const weights = createWeightStore(device, index);
    const precision = { weights: 'f32', activations: 'f32', kvCache: 'f32' } as const;
    const encoder = createImageEncoder({ device, model, weightScope: root, weights, precision });
    try {
      const layout = model.vision?.typicalLayout;
      if (!layout) throw new Error('llava15 has a vision tower');
      let made = 0;
      const picture = (key: string | null, level: number): ProcessedMedium => ({
        kind: 'image',
        key,
        layout,
        *tiles() {
          made++;
          yield new Float32Array(layout.tile.shape.reduce((a, b) => a * b, 1)).fill(level);
        },
      });
      const counts: number[] = [];
      for (const media of [
        [picture('a', 0.1), picture('b', 0.2)],
        [picture('b', 0.2), picture('a', 0.1), picture('a', 0.1)],
        [picture(null, 0.1), picture(null, 0.1)],
      ]) {
        const features = await encoder.encode(media);
        counts.push(made);
        expect(features.rows % 64).toBe(0);
        features.dispose();
      }
      expect(counts).toEqual([2, 2, 4]);
    } finally {
      encoder.dispose();
      weights.dispose();
      await close();
    }
    expect(device.memory.liveBytes).toBe(liveBytes);
  });
});

describeOnAdapters('the feature cache', (getDevice) => {
  test('drops the longest unused beyond 64 MiB, and keeps nothing larger', () => {
    const device = getDevice();
    const liveBytes = device.memory.liveBytes;
    const cache = createFeatureCache(device);
    const bufferOf = (mib: number): GPUBuffer =>
      device.createBuffer({ label: 'features', byteLength: mib * 2 ** 20, usage: bufferUsage.copyDst });
    const [a, b] = [cache.add('a', bufferOf(30)), cache.add('b', bufferOf(30))];
    expect(cache.get('a')).toBe(a);
    cache.add('c', bufferOf(20));
    expect([cache.get('a'), cache.get('b')]).toEqual([a, undefined]);
    expect(b).not.toBe(a);

    const large = cache.add('large', bufferOf(65));
    expect(cache.get('large')).toBeUndefined();
    cache.release(large);
    cache.release(a);
    expect(cache.get('a')).toBe(a);
    cache.dispose();
    expect(device.memory.liveBytes).toBe(liveBytes);
  });
});
