import { afterAll, beforeAll, expect, test } from 'vitest';
import { loadModel } from '../../src/generate/load-model.ts';
import type { VisionLanguageModel } from '../../src/generate/vision-language-model.ts';
import { describeOnAdapters } from '../adapters.ts';
import { withJson } from '../with-json.ts';

const SCENE = 'examples/scene.png';
const QUESTION = 'Describe the image.';

describeOnAdapters('generate', (getDevice) => {
  let model: VisionLanguageModel;
  let greedyText = '';
  beforeAll(async () => {
    model = await loadModel(undefined, { device: getDevice(), dtype: 'f32' });
    greedyText = (await model.describe(SCENE, { greedy: true })).text;
  });
  afterAll(() => model.dispose());

  test('the pieces of the stream are the text', async () => {
    const pieces: string[] = [];
    const generation = model.describe(SCENE, { greedy: true });
    for await (const piece of generation) pieces.push(piece);
    const result = await generation;
    expect(pieces.length).toBeGreaterThan(3);
    expect(pieces.join('')).toBe(result.text);
    expect(result.text).toBe(greedyText);
    expect(result.finishReason).toBe('stop');
    expect(result.stats.generatedTokens).toBe(result.tokenIds.length);
    expect(result.stats.promptTokens).toBe(result.promptTokenIds.length);
  });

  test('a seed repeats a sampled answer, another one changes it', async () => {
    const sample = (seed: number) => model.describe(SCENE, { temperature: 3, seed, maxNewTokens: 12 });
    const [first, again, other] = [await sample(7), await sample(7), await sample(8)];
    expect(again.tokenIds).toEqual(first.tokenIds);
    expect(other.tokenIds).not.toEqual(first.tokenIds);
    expect(first.stats.seed).toBe(7);
  });

  test('filters that leave only the likeliest token give the greedy answer at any temperature', async () => {
    for (const filter of [{ topK: 1 }, { topP: 1e-6 }, { minP: 1 }]) {
      const result = await model.describe(SCENE, { temperature: 5, ...filter });
      expect(result.text, JSON.stringify(filter)).toBe(greedyText);
    }
  });

  test('a repetition penalty changes a greedy answer that repeats itself', async () => {
    const result = await model.describe(SCENE, { greedy: true, repetitionPenalty: 5, maxNewTokens: 12 });
    expect(result.tokenIds.length).toBeGreaterThan(0);
    expect(result.text).not.toBe(greedyText);
  });

  test('a stop string ends the answer before itself, also across tokens', async () => {
    const words = greedyText.split(' ');
    const stop = `${words[2]?.slice(-2)} ${words[3]?.slice(0, 2)}`;
    const result = await model.describe(SCENE, { greedy: true, stop: [stop] });
    expect(result.text).toBe(greedyText.slice(0, greedyText.indexOf(stop)));
    expect(result.finishReason).toBe('stop');
  });

  test('maxNewTokens cuts the answer', async () => {
    const result = await model.describe(SCENE, { greedy: true, maxNewTokens: 3 });
    expect(result.tokenIds).toHaveLength(3);
    expect(result.finishReason).toBe('length');
    expect(greedyText.startsWith(result.text)).toBe(true);
  });

  test('an abort ends it with AbortError, and the model goes on answering', async () => {
    const controller = new AbortController();
    const generation = model.describe(SCENE, { greedy: true, signal: controller.signal });
    const read = async () => {
      for await (const _ of generation) controller.abort();
    };
    await expect(read()).rejects.toMatchObject({ name: 'AbortError', code: 'aborted' });
    expect((await model.describe(SCENE, { greedy: true })).text).toBe(greedyText);
  });

  test('leaving the iteration early stops the generation', async () => {
    const generation = model.describe(SCENE, { greedy: true, maxNewTokens: 48 });
    for await (const _ of generation) break;
    await expect(generation).rejects.toMatchObject({ name: 'AbortError' });
  });

  test('calls made together are answered one after another', async () => {
    const texts = await Promise.all(
      [1, 2, 3].map(async () => (await model.describe(SCENE, { greedy: true })).text),
    );
    expect(texts).toEqual([greedyText, greedyText, greedyText]);
  });

  test('several pictures and turns reach the prompt in order', async () => {
    const messages = [
      {
        role: 'user',
        content: [
          { type: 'image', image: SCENE },
          { type: 'text', text: QUESTION },
        ],
      },
      { role: 'assistant', content: greedyText },
      { role: 'user', content: [{ type: 'image' }, { type: 'text', text: QUESTION }] },
    ] as const;
    const result = await model.generate({ messages, images: [SCENE], greedy: true, maxNewTokens: 2 });
    const { vision } = model.model;
    expect(result.promptTokenIds.filter((id) => id === vision?.imageTokenId)).toHaveLength(
      2 * (vision?.typicalLayout.tokens ?? 0),
    );
  });

  test('every end token ends the answer', async () => {
    const [first = 0, second = 0] = (await model.describe(SCENE, { greedy: true })).tokenIds;
    const changed = { 'generation_config.json': { eos_token_id: [2, second], max_new_tokens: 20 } };
    const files = await withJson('models/demo', changed);
    const other = await loadModel(files, { device: getDevice(), dtype: 'f32' });
    const result = await other.describe(SCENE, { greedy: true });
    other.dispose();
    expect(result.tokenIds).toEqual([first, second]);
    expect(result.finishReason).toBe('stop');
  });

  test.for([
    ['no question', {}, 'neither messages nor a prompt'],
    ['both', { prompt: 'a', messages: [{ role: 'user', content: 'a' }] }, 'both messages and a prompt'],
    [
      'a placeholder without a picture',
      { messages: [{ role: 'user', content: [{ type: 'image' }] }] },
      '1 pictures open and 0 were given',
    ],
    [
      'raw text without its picture',
      { prompt: 'USER: <image> hi', raw: true },
      'the prompt holds 1 image placeholder but 0 pictures',
    ],
    ['a prompt beyond the context', { prompt: 'cat '.repeat(600) }, 'do not fit the model'],
    ['a picture that is none', { prompt: 'a', images: [new Uint8Array([1, 2, 3])] }, 'picture'],
    ['a temperature below 0', { prompt: 'a', temperature: -1 }, 'temperature'],
  ] as const)('refuses %s', async ([, options, message]) => {
    await expect(model.generate(options as Parameters<typeof model.generate>[0])).rejects.toThrow(message);
  });
});

describeOnAdapters('generate at a lowered binding limit', (getDevice) => {
  test('a checkpoint whose table is over one binding gives the same tokens', async () => {
    const whole = await loadModel('test/goldens/llama3_text', { device: getDevice(), dtype: 'f32' });
    const prompt = 'The old man looks at';
    const options = { prompt, raw: true, greedy: true, maxNewTokens: 24 };
    const expected = await whole.generate(options);
    whole.dispose();
    const { requestDevice } = await import('../../src/device/request-device.ts');
    const small = await requestDevice({
      adapter: getDevice().caps.adapterName,
      limits: { maxStorageBufferBindingSize: 40_000 },
    });
    try {
      // The table is 448 x 64 floats: 114,688 bytes, three bindings and more.
      const split = await loadModel('test/goldens/llama3_text', { device: small, dtype: 'f32' });
      expect((await split.generate(options)).tokenIds).toEqual(expected.tokenIds);
      split.dispose();
    } finally {
      small.dispose();
    }
    expect(expected.tokenIds.slice(0, 5)).toEqual([87, 203, 441, 17, 332]);
  });
});

test('a language model refuses pictures', async () => {
  const model = await loadModel('test/goldens/qwen2_text', { dtype: 'f32' });
  const asked = model.generate({ prompt: 'What is this?', images: [SCENE] });
  await expect(asked).rejects.toThrow(/picture/);
  model.dispose();
});

test.for([
  ['unknown model_type', { model_type: 'gpt9' }, 'model_type "gpt9" is not supported; expected one of gemma'],
  ['missing field', { model_type: 'llava' }, '"text_config" is missing'],
  [
    'unknown rope',
    { model_type: 'llama', rope_scaling: { rope_type: 'yarn', factor: 2 } },
    'rope_type "yarn" is not supported',
  ],
] as const)('a config with %s is refused', async ([, config, message]) => {
  await expect(loadModel(await withJson('models/demo', { 'config.json': config }))).rejects.toThrow(message);
});
