import { expect, test } from 'vitest';
import { ConfigError } from '../../src/core/errors.ts';
import { withSpecialToken } from '../../src/text/added-token.ts';
import { createTokenizer } from '../../src/text/tokenizer.ts';
import { readGoldenJson } from '../read-golden.ts';

const tokenizerJson = readGoldenJson<Record<string, unknown>>('llama3_text/tokenizer.json');
const ids = (json: unknown, text: string) =>
  createTokenizer(json, {}).encode(text, { addSpecialTokens: false });

test('a new token is one id wherever it stands, and changes no other', () => {
  const { json, id } = withSpecialToken(tokenizerJson, '<image>', 448);
  expect(id).toBe(448);
  const [left, right] = [ids(tokenizerJson, 'a cat'), ids(tokenizerJson, ' sat')];
  expect(ids(json, 'a cat<image><image> sat')).toEqual([...left, 448, 448, ...right]);
  expect(createTokenizer(json, {}).isSpecial(448)).toBe(true);
});

test('a token that is there keeps its id', () => {
  expect(withSpecialToken(tokenizerJson, '<|eot_id|>', 448)).toEqual({ json: tokenizerJson, id: 424 });
});

test('an id that the tokenizer uses is not taken', () => {
  const { vocabSize } = createTokenizer(tokenizerJson, {});
  expect(withSpecialToken(tokenizerJson, '<image>', 3).id).toBe(vocabSize);
});

test('a tokenizer whose added tokens are no list is refused', () => {
  expect(() => withSpecialToken({ ...tokenizerJson, added_tokens: 'none' }, '<image>', 448)).toThrow(
    ConfigError,
  );
});
