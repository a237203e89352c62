import { describe, expect, it } from 'vitest';
import { createDetokenizer } from '../../src/text/detokenizer.ts';
import { createTokenizer, requireTokenId, type Tokenizer } from '../../src/text/tokenizer.ts';
import { readGoldenJson } from '../read-golden.ts';
import { readGoldenTokenizer } from './read-tokenizer.ts';

type Entry = {
  readonly name: string;
  readonly file: string;
  readonly cases: readonly { readonly ids: readonly number[] }[];
};

const { tokenizers } = readGoldenJson<{ tokenizers: readonly Entry[] }>('tokenizers/reference.json');

function streamed(tokenizer: Tokenizer, ids: readonly number[], skipSpecialTokens: boolean): string[] {
  const detokenizer = createDetokenizer(tokenizer, { skipSpecialTokens });
  return [...ids.map(detokenizer.push), detokenizer.flush()];
}

/** A fixed pseudo-random walk over the vocabulary: Lehmer's generator with Park and Miller's constants. */
function randomIds(vocabSize: number, count: number, seed: number): number[] {
  let state = seed;
  return Array.from({ length: count }, () => {
    state = (state * 48_271) % 2_147_483_647;
    return state % vocabSize;
  });
}

function expectStreamEqualsDecode(tokenizer: Tokenizer, ids: readonly number[]): void {
  for (const skipSpecialTokens of [true, false]) {
    expect(streamed(tokenizer, ids, skipSpecialTokens).join('')).toBe(
      tokenizer.decode(ids, { skipSpecialTokens }),
    );
  }
}

describe.each(tokenizers)('joined pieces equal the whole: $name', ({ name, file, cases }) => {
  it.each([false, true])('clean-up %s', (cleanUp) => {
    const tokenizer = createTokenizer(readGoldenJson(`tokenizers/${file}`), {
      clean_up_tokenization_spaces: cleanUp,
    });
    for (const { ids } of cases) expectStreamEqualsDecode(tokenizer, ids);
    // CLIP writes no text; its decoder strips the whole, which control characters in noise would show.
    if (name === 'clip') return;
    // Noise has every broken character and odd join that a bad model could produce.
    for (let seed = 1; seed <= 30; seed++) {
      expectStreamEqualsDecode(tokenizer, randomIds(tokenizer.vocabSize, 40, seed));
    }
  });
});

describe.each(['llava15', 'llava_linear', 'llama3_text', 'qwen2_text'])(
  'joined pieces equal the whole: %s',
  (golden) => {
    type Run = { readonly name: string; readonly generated_ids: readonly number[] | readonly number[][] };
    const { runs } = readGoldenJson<{ runs: readonly Run[] }>(`${golden}/reference.json`);

    it.each(runs)('$name', ({ generated_ids }) => {
      const tokenizer = readGoldenTokenizer(golden);
      const rows = (Array.isArray(generated_ids[0]) ? generated_ids : [generated_ids]) as number[][];
      for (const ids of rows) expectStreamEqualsDecode(tokenizer, ids);
    });
  },
);

describe('createDetokenizer', () => {
  const gpt2 = createTokenizer(readGoldenJson('tokenizers/gpt2_bytelevel.tokenizer.json'), {});
  const llava = readGoldenTokenizer('llava15');

  it('gives out each word as it comes', () => {
    const ids = gpt2.encode('The cat is', { addSpecialTokens: false });
    expect(streamed(gpt2, ids, true)).toEqual(['The', ' c', 'at', ' is', '']);
  });

  it('holds a split character back until it is whole', () => {
    const ids = gpt2.encode('🙂!', { addSpecialTokens: false });
    expect(ids.length).toBeGreaterThan(2);
    expect(streamed(gpt2, ids, true)).toEqual([...Array(ids.length - 2).fill(''), '🙂', '!', '']);
  });

  it('gives out an unfinished character only at the end', () => {
    const ids = gpt2.encode('🙂', { addSpecialTokens: false }).slice(0, -1);
    expect(streamed(gpt2, ids, true)).toEqual([...ids.map(() => ''), '\uFFFD']);
  });

  it('strips the leading space of the text, and of nothing else', () => {
    const ids = llava.encode('The cat', { addSpecialTokens: true });
    expect(streamed(llava, ids, true).join('')).toBe('The cat');
  });

  it('decides a run of byte tokens as a whole', () => {
    const ids = ['<0xE2>', '<0x82>', '<0xAC>', 'v'].map((token) => requireTokenId(llava, token));
    expect(streamed(llava, ids, true)).toEqual(['', '', '', '€v', '']);
  });
});
