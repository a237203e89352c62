/** Answers made together are those made alone. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import type { BatchRequest } from '../../src/generate/batch/batch.ts';
import { createFairQueue } from '../../src/generate/batch/fair-queue.ts';
import { pageContents } from '../../src/generate/batch/page-contents.ts';
import { createPagePool } from '../../src/generate/batch/page-pool.ts';
import { passSizes } from '../../src/generate/batch/paged-decoder.ts';
import { promptGroup } from '../../src/generate/batch/prompt-group.ts';
import { scoreTokens } from '../../src/generate/batch/score-tokens.ts';
import { loadModel } from '../../src/generate/load-model.ts';
import { textPrompt } from '../../src/generate/prompt.ts';
import type { ProcessedMedium } from '../../src/processors/processor.ts';
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

  test('computes the beginning that prompts share once', async () => {
    const model = await loadModel(undefined, { device: getDevice(), dtype: 'f32' });
    const batch = await model.startBatch({ slots: 4, contextTokens: 192 });
    try {
      const [scene] = JSON.parse(readFileSync('examples/expected.json', 'utf8')) as readonly Scene[];
      const asked = scene?.questions.slice(0, 5) ?? [];
      const [first, ...others] = asked;
      const ask = (question: ExpectedAnswer | undefined, more: Partial<BatchRequest> = {}) =>
        batch.answer(request(about(`examples/${scene?.image}`, question?.question ?? ''), more), ignore);
      const begun = await ask(first);
      expect(begun.stats.reusedTokens).toBe(0);
      const answers = await Promise.all(others.map((question) => ask(question)));
      // 4 tokens come before the picture's 64: four pages of 16 are alike.
      expect(answers.map(({ stats }) => stats.reusedTokens)).toEqual(others.map(() => 64));
      expect(answers.map(({ tokenIds }) => tokenIds)).toEqual(others.map(({ answerIds }) => answerIds));
      expect((await ask(first)).tokenIds).toEqual(begun.tokenIds);
      expect((await ask(first, { seed: 3 })).stats.reusedTokens).toBe(0);
      expect((await ask(first, { client: 'another' })).stats.reusedTokens).toBe(0);

      // A turn later the answer is part of what is there.
      const turns: Message[] = [...about(undefined, 'bus of and on the a in it')];
      const { text, promptTokenIds, tokenIds } = await batch.answer(
        request(turns, { maxNewTokens: 20 }),
        ignore,
      );
      turns.push({ role: 'assistant', content: text }, { role: 'user', content: 'and a bus' });
      const next = await batch.answer(request(turns, { maxNewTokens: 4 }), ignore);
      const alone = await model.generate({ messages: turns, greedy: true, maxNewTokens: 4 });
      expect(next.tokenIds).toEqual(alone.tokenIds);
      const shared = [...promptTokenIds, ...tokenIds.slice(0, -1)].findIndex(
        (id, i) => id !== next.promptTokenIds[i],
      );
      const common = shared < 0 ? promptTokenIds.length + tokenIds.length - 1 : shared;
      expect(next.stats.reusedTokens).toBe(16 * Math.floor(common / 16));
      expect(next.stats.reusedTokens).toBeGreaterThan(0);
    } finally {
      await batch.dispose();
      model.dispose();
    }
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
    const batch = await model.startBatch({ slots: 3, contextTokens: 1024 });
    try {
      const long = 'A dog and a cat walk. '.repeat(60);
      const conversations = [
        about(fileOf('image_0.png'), 'Describe the picture in detail.'),
        about(undefined, 'What is a dog?'),
        // More than a chunk, and the same once more, of which a few tokens are left to run.
        about(fileOf('image_0.png'), `${long}What is it?`),
        about(fileOf('image_0.png'), `${long}What else?`),
        about(fileOf('image_1.png'.replace('_1', golden === 'gemma3' ? '_1' : '_2')), 'What is it?'),
      ];
      const together = await Promise.all(
        conversations.map((messages) => batch.answer(request(messages, { maxNewTokens: 10 }), ignore)),
      );
      expect(together[2]?.promptTokenIds.length).toBeGreaterThan(512);
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

test('pages go to one owner, and are known again by what they hold', () => {
  const pool = createPagePool(4);
  const first = pool.take(17, []);
  const second = pool.take(32, []);
  expect([...(first?.pages ?? []), ...(second?.pages ?? [])].sort()).toEqual([1, 2, 3, 4]);
  expect(pool.take(1, [])).toBeUndefined();
  pool.note(first?.pages ?? [], ['a', 'b']);
  pool.give(first?.pages ?? []);
  expect(pool.free).toBe(2);
  expect(() => pool.give(first?.pages ?? [])).toThrow('a page is given back twice');
  expect(() => pool.give([0])).toThrow('a page is given back twice');
  pool.give(second?.pages ?? []);

  expect(pool.known(['a', 'b', 'c'])).toBe(2);
  expect(pool.known(['b'])).toBe(0);
  const again = pool.take(48, ['a', 'b', 'c']);
  expect(again).toEqual({ pages: [...(first?.pages ?? []), second?.pages[1]], known: 2 });
  const also = pool.take(32, ['a', 'x']);
  expect(also).toEqual({ pages: [first?.pages[0], second?.pages[0]], known: 1 });
  expect(pool.free).toBe(0);
  pool.give(again?.pages ?? []);
  expect(pool.free).toBe(2);
  // A page that is used anew is no longer what it was, nor is what followed it.
  const others = pool.take(32, []);
  expect(pool.known(['a', 'b'])).toBe(1);
  pool.give([...(also?.pages ?? []), ...(others?.pages ?? [])]);
  expect(pool.take(64, [])?.known).toBe(0);
  expect(pool.known(['a'])).toBe(0);
});

test('what a page holds is its tokens, with which part of which picture', () => {
  const picture = (key: string | null): ProcessedMedium =>
    ({ kind: 'image', key, layout: { tile: { kind: 'image', shape: [] }, tiles: 1, tokens: 20 } }) as never;
  const prompt = (key: string | null, last: number) => ({
    ...textPrompt([1, ...Array.from({ length: 20 }, () => 4), ...Array.from({ length: 29 }, () => last)]),
    imageIndex: Int32Array.from({ length: 50 }, (_, i) => (i >= 1 && i <= 20 ? i - 1 : -1)),
    media: [picture(key)],
  });
  const pages = pageContents(prompt('cat', 7), [8], 50);
  expect(pages).toHaveLength(3);
  expect(pageContents(prompt('cat', 7), [], 49)).toEqual(pages);
  expect(pageContents(prompt('cat', 7), [], 47)).toEqual(pages.slice(0, 2));
  const other = pageContents(prompt('cat', 9), [], 50);
  expect(other[0]).toBe(pages[0]);
  expect(other[1]).not.toBe(pages[1]);
  expect(pageContents(prompt('dog', 7), [], 50)[0]).not.toBe(pages[0]);
  expect(pageContents(prompt(null, 7), [], 50)).toEqual([]);
  expect(pageContents({ ...prompt('cat', 7), spans: new Uint32Array(100) }, [], 50)).toEqual([]);
  expect(
    pageContents(
      textPrompt([1, 2, 3]),
      Array.from({ length: 13 }, () => 5),
      16,
    ),
  ).toHaveLength(1);
});

test('prompts alike run in one pass', () => {
  const prompt = (tokens: number, hasPictures = false, begins = true) => ({ tokens, hasPictures, begins });
  const sizes = [1, 4, 16];
  const [long, picture, text] = [prompt(900), prompt(80, true), prompt(12)];
  expect(promptGroup([], sizes)).toEqual([]);
  expect(promptGroup([long, text], sizes)).toEqual([long]);
  expect(promptGroup([text, text], sizes)).toEqual([text]);
  expect(promptGroup([text, picture, text, long, prompt(16)], sizes)).toEqual([text, text, prompt(16)]);
  expect(
    promptGroup(
      Array.from({ length: 16 }, () => picture),
      sizes,
    ),
  ).toHaveLength(4);
  expect(
    promptGroup(
      Array.from({ length: 14 }, () => text),
      sizes,
    ),
  ).toHaveLength(14);
  expect(promptGroup([text, prompt(12, false, false), prompt(17), text], sizes)).toEqual([text]);
  expect(promptGroup([prompt(200), prompt(200), prompt(200), prompt(200)], sizes)).toHaveLength(1);
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
