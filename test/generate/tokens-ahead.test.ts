import { expect, test, vi } from 'vitest';
import { GREEDY } from '../../src/generate/generation-config.ts';
import { loadModel } from '../../src/generate/load-model.ts';
import { createTokensAhead } from '../../src/generate/tokens-ahead.ts';
import { describeOnAdapters } from '../adapters.ts';
import { withJson } from '../with-json.ts';

const OPTIONS = { sampling: GREEDY, seed: 0 };

/** A decoder whose passes are tokens 1, 2, 3, ..., each read when it is told to; the prompt's is token 0. */
function recordedDecoder() {
  const reads: (() => void)[] = [];
  const pass = () => {
    const id = reads.length;
    return { token: new Promise<number>((resolve) => reads.push(() => resolve(id))) };
  };
  const counts = { ahead: 0, takenBack: 0 };
  return {
    counts,
    reads,
    first: pass(),
    decoder: {
      ahead: async () => {
        counts.ahead++;
        return pass();
      },
      takeBack: () => {
        counts.takenBack++;
      },
    },
  };
}

test('each pass is submitted before the token before it is read, from the first on, and no more than may be needed', async () => {
  const { decoder, first, counts, reads } = recordedDecoder();
  const tokens = createTokensAhead(decoder, first, OPTIONS, 3);
  for (const [id, submitted] of [
    [0, 1],
    [1, 2],
    [2, 2],
  ] as const) {
    const taking = tokens.take();
    await vi.waitFor(() => expect(counts.ahead).toBe(submitted));
    reads[id]?.();
    expect(await taking).toBe(id);
  }
  await tokens.end();
  expect(counts).toEqual({ ahead: 2, takenBack: 0 });
  await expect(tokens.take()).rejects.toThrow('can have no more');
});

test('passes that nobody waits for are taken back, but for the prompt', async () => {
  const { decoder, first, counts, reads } = recordedDecoder();
  const tokens = createTokensAhead(decoder, first, OPTIONS, 9);
  const taking = tokens.take();
  await vi.waitFor(() => expect(reads).toHaveLength(2));
  for (const read of reads) read();
  await taking;
  await tokens.end();
  expect(counts).toEqual({ ahead: 1, takenBack: 1 });

  const failing = recordedDecoder();
  const ahead = async () => Promise.reject(new Error('device lost'));
  const none = createTokensAhead({ ...failing.decoder, ahead }, failing.first, OPTIONS, 9);
  await expect(none.take()).rejects.toThrow('device lost');
  failing.reads[0]?.();
  await none.end();
  expect(failing.counts.takenBack).toBe(0);
});

const PROMPT = { prompt: 'The old man looks at', raw: true, greedy: true } as const;
/** A submit of each answer clears the states. */
const STATES = 1;
/** The reference's. */
const ANSWER = [87, 203, 441, 17, 332];

describeOnAdapters('an answer', (getDevice) => {
  test('takes a submit a token, and one more where it stops before maxNewTokens', async () => {
    const device = getDevice();
    const model = await loadModel('test/goldens/llama3_text', { device, dtype: 'f32' });
    const submit = vi.spyOn(device.gpu.queue, 'submit');
    const ask = async (maxNewTokens: number) => {
      submit.mockClear();
      const { tokenIds, finishReason } = await model.generate({ ...PROMPT, seed: 1, maxNewTokens });
      return { tokenIds, finishReason, submits: submit.mock.calls.length - STATES };
    };
    for (const count of [1, 2, 5]) {
      expect(await ask(count)).toEqual({
        tokenIds: ANSWER.slice(0, count),
        finishReason: 'length',
        submits: count,
      });
    }
    model.dispose();

    const changed = { 'generation_config.json': { eos_token_id: ANSWER[0], max_new_tokens: 20 } };
    const files = await withJson('test/goldens/llama3_text', changed);
    const stopping = await loadModel(files, { device, dtype: 'f32' });
    submit.mockClear();
    const stopped = await stopping.generate({ ...PROMPT, seed: 1 });
    expect(stopped.finishReason).toBe('stop');
    expect(stopped.tokenIds).toEqual([ANSWER[0]]);
    expect(submit).toHaveBeenCalledTimes(2 + STATES);
    submit.mockRestore();

    const longer = { ...PROMPT, prompt: `${PROMPT.prompt} the old sea`, maxNewTokens: 4 };
    const going = await stopping.generate(longer);
    expect(going.stats.reusedTokens).toBeGreaterThan(2);
    expect(going.tokenIds).toEqual((await stopping.generate({ ...longer, seed: 1 })).tokenIds);
    stopping.dispose();
  });
});
