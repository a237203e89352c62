import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, test } from 'vitest';
import { loadModel } from '../../src/generate/load-model.ts';
import type { VisionLanguageModel } from '../../src/generate/vision-language-model.ts';
import type { ContentPart, Message } from '../../src/text/messages.ts';
import { describeOnAdapters } from '../adapters.ts';
import { goldenPath, readGoldenJson } from '../read-golden.ts';

interface Run {
  readonly name: string;
  readonly messages: readonly { readonly role: string; readonly content: readonly ContentPart[] }[];
  readonly video?: { readonly frames: readonly string[] };
  readonly generated_ids: readonly number[];
}

const user = (...content: readonly ContentPart[]): Message => ({ role: 'user', content });
const text = (words: string): ContentPart => ({ type: 'text', text: words });

describeOnAdapters('families that tile pictures', (getDevice) => {
  let model: VisionLanguageModel | undefined;
  afterEach(() => model?.dispose());

  const load = async (golden: string): Promise<VisionLanguageModel> => {
    model = await loadModel(fileURLToPath(goldenPath(golden)), { device: getDevice(), dtype: 'f32' });
    return model;
  };

  /** The run's messages with paths of its files, and what the reference answers. */
  function recorded(golden: string, name: string): { messages: Message[]; expected: readonly number[] } {
    const { runs } = readGoldenJson<{ runs: readonly Run[] }>(`${golden}/reference.json`);
    const run = runs.find((one) => one.name === name);
    if (!run) throw new Error(`${golden} has no run ${name}`);
    const path = (file: string): string => fileURLToPath(goldenPath(`${golden}/${file}`));
    const place = (part: ContentPart): ContentPart => {
      if (part.type === 'image') return { ...part, image: path(String(part.image)) };
      return part.type === 'video' ? { ...part, video: run.video?.frames.map(path) } : part;
    };
    const messages = run.messages.map(({ role, content }) => ({ role, content: content.map(place) }));
    return { messages, expected: run.generated_ids };
  }

  describe("answers by the package's front door as the reference does", () => {
    test.for<[string, string, Readonly<Record<string, unknown>>?]>([
      ['smolvlm', 'two_images'],
      ['smolvlm', 'no_split', { do_image_splitting: false }],
      ['llava_onevision', 'image'],
      ['llava_onevision', 'two_images', { batch_num_images: [1, 1] }],
      ['llava_onevision', 'video'],
      ['llava_onevision_clip', 'conversation'],
      ['llava_next', 'two_images'],
      ['llava_next_video', 'video'],
    ])('%s: %s', async ([golden, name, processor]) => {
      const { messages, expected } = recorded(golden, name);
      const { generate } = await load(golden);
      const options = processor ? { processor } : {};
      const answer = await generate({ messages, greedy: true, maxNewTokens: expected.length, ...options });
      expect(answer.tokenIds).toEqual(expected);
    });
  });

  test('a second picture joins the first in OneVision, whose tiles are then no longer cut', async () => {
    const { generate } = await load('llava_onevision');
    const image = { type: 'image', image: fileURLToPath(goldenPath('llava_onevision/image_0.png')) } as const;
    const messages = [user(image, text('What is it?'))];
    const first = await generate({ messages, greedy: true, maxNewTokens: 4 });
    messages.push({ role: 'assistant', content: first.text }, user(image, text('And this?')));
    const going = await generate({ messages, greedy: true, maxNewTokens: 4 });
    const afresh = await generate({ messages, greedy: true, maxNewTokens: 4, seed: 1 });
    expect(going.tokenIds).toEqual(afresh.tokenIds);
    const imageTokens = (ids: readonly number[]): number => ids.filter((id) => id === 404).length;
    expect(imageTokens(first.promptTokenIds)).toBe(52);
    expect(imageTokens(going.promptTokenIds)).toBe(2 * 17);
  });
});
