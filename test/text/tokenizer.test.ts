import { describe, expect, it } from 'vitest';
import { ConfigError } from '../../src/core/errors.ts';
import { createTokenizer, requireTokenId } from '../../src/text/tokenizer.ts';
import { readGoldenJson } from '../read-golden.ts';
import { readGoldenTokenizer } from './read-tokenizer.ts';

type Case = {
  readonly text: string;
  readonly ids: readonly number[];
  readonly ids_no_special: readonly number[];
  readonly tokens: readonly string[];
  readonly decoded: string;
  readonly decoded_with_special: string;
};
type Entry = { readonly name: string; readonly file: string; readonly cases: readonly Case[] };

const { tokenizers } = readGoldenJson<{ tokenizers: readonly Entry[] }>('tokenizers/reference.json');

/** The golden is plain `tokenizers`; transformers then turns CLIP's word ends into spaces. */
const asTransformers = (name: string, text: string): string =>
  name === 'clip' ? text.replaceAll('</w>', ' ').trim() : text;

describe.each(tokenizers)('$name', ({ name, file, cases }) => {
  const tokenizer = createTokenizer(readGoldenJson(`tokenizers/${file}`), {});

  // The reference shows an unknown piece as its own text, not as the unknown token.
  const unknown = name === 'siglip_unigram' ? tokenizer.tokenToId('<unk>') : null;

  it('has cases', () => expect(cases.length).toBeGreaterThanOrEqual(28));

  it.each(cases)('$text', (golden) => {
    expect(tokenizer.encode(golden.text, { addSpecialTokens: true })).toEqual(golden.ids);
    expect(tokenizer.encode(golden.text, { addSpecialTokens: false })).toEqual(golden.ids_no_special);
    expect(
      golden.ids.map((id, at) => (id === unknown ? golden.tokens[at] : tokenizer.idToToken(id))),
    ).toEqual(golden.tokens);
    expect(tokenizer.decode(golden.ids, { skipSpecialTokens: true })).toBe(
      asTransformers(name, golden.decoded),
    );
    expect(tokenizer.decode(golden.ids, { skipSpecialTokens: false })).toBe(
      asTransformers(name, golden.decoded_with_special),
    );
  });
});

type Run = {
  readonly name: string;
  readonly generated_ids: readonly number[];
  readonly generated_text?: string;
  readonly generated_text_with_special?: string;
};

describe.each(['llava15', 'llava_linear', 'llama3_text', 'qwen2_text'])('generated text of %s', (golden) => {
  const tokenizer = readGoldenTokenizer(golden);
  const runs = readGoldenJson<{ runs: readonly Run[] }>(`${golden}/reference.json`).runs.filter(
    (run) => run.generated_text !== undefined,
  );

  it('is recorded', () => expect(runs.length).toBeGreaterThanOrEqual(2));

  it.each(runs)('$name', (run) => {
    expect(tokenizer.decode(run.generated_ids, { skipSpecialTokens: true })).toBe(run.generated_text);
    expect(tokenizer.decode(run.generated_ids, { skipSpecialTokens: false })).toBe(
      run.generated_text_with_special,
    );
  });
});

describe('createTokenizer', () => {
  const llava = readGoldenTokenizer('llava15');

  it('knows the special tokens, their ids and the vocabulary', () => {
    expect(llava.special).toEqual({
      bos: { text: '<s>', id: 1 },
      eos: { text: '</s>', id: 2 },
      unk: { text: '<unk>', id: 0 },
      pad: { text: '<pad>', id: 622 },
    });
    expect(llava.tokenToId('<image>')).toBe(621);
    expect(llava.idToToken(621)).toBe('<image>');
    expect(llava.isSpecial(621)).toBe(true);
    expect(llava.isSpecial(68)).toBe(false);
    expect(llava.vocabSize).toBe(623);
  });

  it('gives null for what the vocabulary lacks, and skips such ids when decoding', () => {
    expect(llava.tokenToId('no such token')).toBeNull();
    expect(llava.idToToken(623)).toBeNull();
    expect(llava.idToToken(-1)).toBeNull();
    expect(llava.decode([623, -1], { skipSpecialTokens: false })).toBe('');
    expect(llava.decode([], { skipSpecialTokens: true })).toBe('');
  });

  it('names a token that must exist and does not', () => {
    expect(requireTokenId(llava, '<image>')).toBe(621);
    expect(() => requireTokenId(llava, '<video>')).toThrow(/has no token "<video>"/);
  });

  it('decodes a run of byte tokens whole, byte order mark included, or byte by byte when it is not UTF-8', () => {
    const decode = (...tokens: string[]): string =>
      llava.decode(
        tokens.map((token) => requireTokenId(llava, token)),
        { skipSpecialTokens: true },
      );
    expect(decode('<0x41>', '<0xE2>', '<0x82>', '<0xAC>')).toBe('A€');
    expect(decode('<0x41>', '<0xE2>', '<0x82>', '<0xAC>', '<0xFF>')).toBe('\uFFFD'.repeat(5));
    expect(decode('<0xEF>', '<0xBB>', '<0xBF>', '<0x41>')).toBe('\uFEFFA');
  });

  it('cleans up spaces where the config or the caller says so', () => {
    const json = readGoldenJson('tokenizers/gpt2_bytelevel.tokenizer.json');
    const text = "I do n't , do you ? It 's . we 've ' x '";
    const clean = createTokenizer(json, { clean_up_tokenization_spaces: true });
    const ids = clean.encode(text, { addSpecialTokens: false });
    expect(clean.decode(ids, { skipSpecialTokens: true })).toBe("I don't, do you? It's. we've'x '");
    expect(clean.decode(ids, { skipSpecialTokens: true, cleanUp: false })).toBe(text);
    expect(createTokenizer(json, {}).decode(ids, { skipSpecialTokens: true })).toBe(text);
  });

  it.each([[['<image>']], [{ image_token: '<image>' }], [[{ content: '<image>' }]]])(
    'takes for special what tokenizer_config.json lists so: %j',
    (extra_special_tokens) => {
      const json = readGoldenJson<{ added_tokens: { special: boolean }[] }>('llava15/tokenizer.json');
      for (const token of json.added_tokens) token.special = false;
      expect(createTokenizer(json, {}).isSpecial(621)).toBe(false);
      expect(createTokenizer(json, { extra_special_tokens }).isSpecial(621)).toBe(true);
    },
  );

  it.each([
    [null, {}],
    [{}, {}],
    [{ model: { type: 'Nonsense' } }, {}],
    [readGoldenJson('tokenizers/clip.tokenizer.json'), null],
    [readGoldenJson('tokenizers/clip.tokenizer.json'), { clean_up_tokenization_spaces: 'yes' }],
  ])('refuses malformed files (case %#)', (json, config) => {
    expect(() => createTokenizer(json, config)).toThrow(ConfigError);
  });
});
