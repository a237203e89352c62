/** Answers made together are those made alone. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import type { BatchRequest } from '../../src/generate/batch/batch.ts';
import { createFairQueue } from '../../src/generate/batch/fair-queue.ts';
import { createPagePool } from '../../src/generate/batch/page-pool.ts';
import { passSizes } from '../../src/generate/batch/paged-decoder.ts';
import { scoreTokens } from '../../src/generate/batch/score-tokens.ts';
import { loadModel } from '../../src/generate/load-model.ts';
import type { ContentPart, Message } from '../../src/text/messages.ts';
import { describeOnAdapters } from '../adapters.ts';
import type { ExpectedAnswer } from '../expected-answer.ts';
import { goldenPath } from '../read-golden.ts';

const about = (image: string | undefined, question: string): readonly Message[] => {
  const picture: readonly ContentPart[] = image === undefined ? [] : [{ type: 'image', image }];
  return [{ role: 'user', content: [...picture, { type: 'text', text: question }] }];
};

const request = (messages: readonly Message[], more: Partial<BatchRequest> = {}): BatchRequest => ({
  messages: async () => messages,
  client: 'test',
  temperature: 0,
  ...more,
});

const ignore = (): void => {};

interface Scene {
  readonly image: string;
  readonly questions: readonly ExpectedAnswer[];
}

describeOnAdapters('a batch', (getDevice) => {
  test('of the built-in model answers as the reference does, and leaves no memory behind', async () => {
    const device = getDevice();
    const model = await loadModel(undefined, { device, dtype: 'f32' });
    const scenes = JSON.parse(readFileSync('examples/expected.json', 'utf8')) as readonly Scene[];
    const asked = scenes
      .flatMap(({ image, questions }) => questions.map((question) => ({ image, ...question })))
      .slice(0, 9);
    // Fewer slots than questions, and pages for two or three: some wait for a slot, some for pages.
    const batch = await model.startBatch({ slots: 5, contextTokens: 192, cacheTokens: 400 });
    const { pages } = batch.load;
    try {
      const answers = await Promise.all(
        asked.map(({ image, question }, i) =>
          batch.answer(request(about(`examples/${image}`, question), { client: `${i % 3}` }), ignore),
        ),
      );
      expect(answers.map(({ tokenIds }) => tokenIds)).toEqual(asked.map(({ answerIds }) => answerIds));
      expect(answers.map(({ text }) => text)).toEqual(asked.map(({ answer }) => answer));
      expect(batch.load).toEqual({ running: 0, slots: 5, waiting: 0, pages, freePages: pages });

      const sampled = { temperature: 1.5, topK: 20, repetitionPenalty: 1.2, seed: 11, maxNewTokens: 12 };
      const words = about(undefined, 'bus of and on');
      const alone = await model.generate({ messages: words, ...sampled });
      const among = await Promise.all(
        [sampled, { maxNewTokens: 5 }, sampled].map((more) => batch.answer(request(words, more), ignore)),
      );
      expect(among.map(({ tokenIds }) => tokenIds)).toEqual([
        alone.tokenIds,
        expect.any(Array),
        alone.tokenIds,
      ]);
    } finally {
      await batch.dispose();
    }
    const { liveBytes } = device.memory;
    const again = await model.startBatch({ slots: 5, contextTokens: 192, cacheTokens: 400 });
    expect(device.memory.liveBytes).toBeGreaterThan(liveBytes + 400 * 4 * 2 * 2 * 32 * 4);
    await again.answer(request(about(undefined, 'bus of and on'), { maxNewTokens: 2 }), ignore);
    await again.dispose();
    expect(device.memory.liveBytes).toBe(liveBytes);
    model.dispose();
  });

  test('lets callers leave, and tells each what is wrong with its own request', async () => {
    const model = await loadModel(undefined, { device: getDevice(), dtype: 'f32' });
    const batch = await model.startBatch({ slots: 2, contextTokens: 128 });
    const gone = new AbortController();
    const words = about(undefined, 'bus of and on');
    try {
      const left = batch.answer(request(words, { signal: gone.signal }), () => gone.abort());
      const waits = batch.answer(request(words, { signal: AbortSignal.abort() }), ignore);
      const long = batch.answer(request(about(undefined, 'a bus '.repeat(100))), ignore);
      const broken = batch.answer(
        { ...request(words), messages: () => Promise.reject(new Error('no picture')) },
        ignore,
      );
      const fine = batch.answer(request(words, { maxNewTokens: 3 }), ignore);
      const [ofLeft, ofWaits, ofLong, ofBroken] = await Promise.allSettled([left, waits, long, broken]);
      expect(ofLeft).toMatchObject({ reason: { code: 'aborted' } });
      expect(ofWaits).toMatchObject({ reason: { code: 'aborted' } });
      expect(ofLong).toMatchObject({
        reason: { message: expect.stringMatching(/tokens do not fit the context of 128; expected fewer/) },
      });
      expect(ofBroken).toMatchObject({ reason: { message: 'no picture' } });
      expect((await fine).tokenIds).toHaveLength(3);
      expect(batch.load.freePages).toBe(batch.load.pages);
      const single = await model.startBatch({ slots: 1, contextTokens: 128 });
      const inTurn = [1, 2, 3].map((maxNewTokens) => single.answer(request(words, { maxNewTokens }), ignore));
      expect(await Promise.all(inTurn)).toHaveLength(3);
      await single.dispose();
      const cut = batch.answer(request(words), ignore);
      const [ofCut] = await Promise.allSettled([cut, batch.dispose()]);
      expect(ofCut).toMatchObject({ reason: { code: 'aborted' } });
      await expect(model.startBatch({ contextTokens: 256, cacheTokens: 100 })).rejects.toThrow(
        /a KV cache of 100 tokens; expected 256 to/,
      );
    } finally {
      await batch.dispose();
      model.dispose();
    }
  });

  // Positions along three axes; and windows, with tokens that see each other both ways.
  test.each(['qwen2_vl', 'gemma3'])('of %s answers as alone', async (golden) => {
    const fileOf = (name: string): string => fileURLToPath(goldenPath(`${golden}/${name}`));
    const model = await loadModel(fileOf(''), { device: getDevice(), dtype: 'f32' });
    const batch = await model.startBatch({ slots: 3, contextTokens: 512 });
    try {
      const conversations = [
        about(fileOf('image_0.png'), 'Describe the picture in detail.'),
        about(undefined, 'What is a dog?'),
        about(fileOf('image_1.png'.replace('_1', golden === 'gemma3' ? '_1' : '_2')), 'What is it?'),
      ];
      const together = await Promise.all(
        conversations.map((messages) => batch.answer(request(messages, { maxNewTokens: 10 }), ignore)),
      );
      for (const [i, messages] of conversations.entries()) {
        const alone = await model.generate({ messages, greedy: true, maxNewTokens: 10 });
        expect(together[i]?.tokenIds).toEqual(alone.tokenIds);
      }
    } finally {
      await batch.dispose();
      model.dispose();
    }
  });
});

test('clients take turns', () => {
  const queue = createFairQueue<string>();
  for (const item of ['a1', 'a2', 'a3', 'b1', 'c1', 'c2']) queue.push(item.charAt(0), item);
  expect(queue.remove('a2')).toBe(true);
  expect(queue.remove('a2')).toBe(false);
  expect(queue.size).toBe(5);
  const order = Array.from({ length: 6 }, () => queue.shift());
  expect(order).toEqual(['a1', 'b1', 'c1', 'a3', 'c2', undefined]);
});

test('pages have one owner', () => {
  const pool = createPagePool(4);
  const first = pool.take(17) ?? [];
  const second = pool.take(32) ?? [];
  expect([...first, ...second].sort()).toEqual([1, 2, 3, 4]);
  expect(pool.take(1)).toBeUndefined();
  pool.give(first);
  expect(pool.free).toBe(2);
  expect(() => pool.give(first)).toThrow('a page is given back twice');
  expect(() => pool.give([0])).toThrow('a page is given back twice');
});

test('passes come in few sizes', () => {
  expect(passSizes(1)).toEqual([1]);
  expect(passSizes(8)).toEqual([1, 4, 8]);
  expect(passSizes(16)).toEqual([1, 4, 16]);
});

test('tokens are scored by their log softmax', () => {
  const logits = Float32Array.of(1, 3, 2, 3);
  const logSum = Math.log(Math.exp(1) + 2 * Math.exp(3) + Math.exp(2));
  const scored = scoreTokens(logits, 2, 3);
  expect(scored.logprob).toBeCloseTo(2 - logSum, 12);
  expect(scored.top.map(({ id }) => id)).toEqual([1, 3, 2]);
  expect(scored.top[0]?.logprob).toBeCloseTo(3 - logSum, 12);
  expect(scoreTokens(logits, 0, 0).top).toEqual([]);
});
