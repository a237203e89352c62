import { expect, test } from 'vitest';
import { loadModel } from '../../src/generate/load-model.ts';
import type { GenerateOptions, VisionLanguageModel } from '../../src/generate/vision-language-model.ts';
import type { Message } from '../../src/text/messages.ts';
import { describeOnAdapters } from '../adapters.ts';
import { readGoldenJson } from '../read-golden.ts';

interface Recorded {
  readonly runs: readonly { readonly prompt: string; readonly generated_ids: readonly number[] }[];
}

const picture = (golden: string, i: number): string => `test/goldens/${golden}/image_${i}.png`;

describeOnAdapters('answers after tokens that see each other both ways', (getDevice) => {
  const load = (golden: string) => loadModel(`test/goldens/${golden}`, { device: getDevice(), dtype: 'f32' });

  /** The answer that goes on from the cache, and the one from an empty cache. */
  async function both(model: VisionLanguageModel, request: GenerateOptions) {
    const options = { greedy: true, maxNewTokens: 12, ...request };
    const going = await model.generate(options);
    const afresh = await model.generate({ ...options, seed: 1 });
    return { going, afresh };
  }

  test('PaliGemma 2: as the reference, whether asked with a placeholder or a picture beside the words', async () => {
    const model = await load('paligemma2');
    const { runs } = readGoldenJson<Recorded>('paligemma2/reference.json');
    for (const [i, { prompt, generated_ids }] of runs.entries()) {
      const images = [picture('paligemma2', i)];
      const options = { images, greedy: true, maxNewTokens: 24 };
      const raw = await model.generate({ ...options, prompt, raw: true });
      expect(raw.tokenIds).toEqual(generated_ids);
      const asked = await model.generate({ ...options, prompt: prompt.replace('<image>', '') });
      expect(asked.tokenIds).toEqual(generated_ids);
      expect(asked.promptTokenIds).toEqual(raw.promptTokenIds);
    }
    model.dispose();
  });

  test('PaliGemma: a longer prompt begins anew, since its words change what the picture saw', async () => {
    const model = await load('paligemma');
    const images = [picture('paligemma', 0)];
    await model.generate({ prompt: 'caption', images, greedy: true, maxNewTokens: 4 });
    const { going, afresh } = await both(model, { prompt: 'caption en', images });
    expect(going.stats.reusedTokens).toBe(0);
    expect(going.tokenIds).toEqual(afresh.tokenIds);
    model.dispose();
  });

  test('Gemma 3: a second turn goes on behind the picture and answers as from an empty cache', async () => {
    const model = await load('gemma3');
    const question: Message = {
      role: 'user',
      content: [
        { type: 'image', image: picture('gemma3', 0) },
        { type: 'text', text: 'What is shown in this image?' },
      ],
    };
    const { tokenIds } = await model.generate({ messages: [question], greedy: true, maxNewTokens: 24 });
    expect(tokenIds).toEqual(readGoldenJson<Recorded>('gemma3/reference.json').runs[0]?.generated_ids);
    const messages: Message[] = [
      question,
      { role: 'assistant', content: 'A bus.' },
      { role: 'user', content: 'Is it green?' },
    ];
    const { going, afresh } = await both(model, { messages });
    expect(going.stats.reusedTokens).toBeGreaterThan(18);
    expect(going.tokenIds).toEqual(afresh.tokenIds);
    model.dispose();
  });

  test('Gemma 3: parts of a picture are asked for by a call', async () => {
    const model = await load('gemma3_scan');
    const { runs } = readGoldenJson<Recorded>('gemma3_scan/reference.json');
    const options = {
      prompt: 'What is shown in this image?',
      images: [picture('gemma3_scan', 0)],
      greedy: true,
      maxNewTokens: 24,
    };
    const parts = await model.generate({
      ...options,
      processor: { do_pan_and_scan: true, pan_and_scan_min_crop_size: 8 },
    });
    const whole = await model.generate(options);
    expect(parts.tokenIds).toEqual(runs[0]?.generated_ids);
    expect(parts.promptTokenIds.length).toBe(113);
    expect(whole.promptTokenIds.length).toBeLessThan(60);
    model.dispose();
  });
});
