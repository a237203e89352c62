/** What the page's worker works out without a GPU. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { createTokenizer } from '../../src/text/tokenizer.ts';
import { fillIn } from '../../src/web/engine/label-scores.ts';
import { wordsOf } from '../../src/web/engine/words.ts';
import { adviceFor } from '../../src/web/page/missing-webgpu.ts';
import { bytes, duration, percent } from '../../src/web/page/quantities.ts';
import { nameOfKey } from '../../src/web/storage/model-folders.ts';
import { addressedModel, keptModel } from '../../src/web/storage/remote-model.ts';

const tokenizerOf = (folder: string) => {
  const json = (file: string): unknown => JSON.parse(readFileSync(`${folder}/${file}`, 'utf8'));
  return createTokenizer(json('tokenizer.json'), json('tokenizer_config.json'));
};
const tokenizer = tokenizerOf('models/demo');

test.each([
  ['models/demo', 'A carrot and a strawberry on a grey background.'],
  ['models/demo', 'No, there is no car.'],
  // Of bytes: a character may be several tokens.
  ['test/goldens/qwen2_vl', 'Émile 漢字 🥕 xylophone!'],
])(
  'with the tokenizer of %s, the words of "%s" are its text, and each token belongs to one',
  (folder, text) => {
    const own = tokenizerOf(folder);
    const ids = own.encode(text, { addSpecialTokens: false });
    const words = wordsOf(own, ids);
    const shown = words.map((word) => word.text);
    expect(shown.join('').trim()).toBe(text);
    expect(shown.map((word) => word.trim())).toEqual(text.split(' '));
    expect(words.flatMap(({ tokens }) => tokens)).toEqual(ids.map((_, i) => i));
  },
);

test('an end token adds no word', () => {
  const ids = [...tokenizer.encode('A cat', { addSpecialTokens: false }), tokenizer.special.eos?.id ?? -1];
  expect(wordsOf(tokenizer, ids).map(({ text }) => text.trim())).toEqual(['A', 'cat']);
});

test('a label gets its article', () => {
  const question = 'Is there a {} in the picture?';
  expect(fillIn(question, 'cat')).toBe('Is there a cat in the picture?');
  expect(fillIn(question, 'owl')).toBe('Is there an owl in the picture?');
  expect(fillIn('{} or no {}?', 'owl')).toBe('owl or no owl?');
});

test('quantities have the unit that people read', () => {
  expect([0, 999, 1000, 9_400_000, 12_345_678_901].map(bytes)).toEqual([
    '0 B',
    '999 B',
    '1.0 kB',
    '9.4 MB',
    '12 GB',
  ]);
  expect([3.2, 999, 1500, 61_000].map(duration)).toEqual(['3 ms', '999 ms', '1.5 s', '61 s']);
  expect([0, 0.0004, 0.002, 0.0994, 0.5, 1].map(percent)).toEqual([
    '0 %',
    '0 %',
    '0.2 %',
    '9.9 %',
    '50 %',
    '100 %',
  ]);
});

test('a stored model is found again by its key', () => {
  const commit = 'a'.repeat(40);
  const builtIn = { base: 'https://page.example/models/demo/', revision: 'r', files: {} };
  expect(keptModel(`org/name@${commit}`, builtIn)).toEqual({
    key: `org/name@${commit}`,
    name: 'org/name',
    base: `https://huggingface.co/org/name/resolve/${commit}/`,
    files: undefined,
  });
  expect(keptModel('https://example.org/model/', builtIn).base).toBe('https://example.org/model/');
  expect(() => keptModel('built-in@older', builtIn)).toThrow('was stored by another version of this page');
  expect(nameOfKey(`org/name@${commit}`)).toBe('org/name');
});

test.each(['', 'name', 'file:///etc', 'javascript:alert(1)', '../up'])('"%s" is no model', async (text) => {
  await expect(addressedModel(text)).rejects.toThrow('is neither an address nor a hub id');
});

test('advice fits the browser', () => {
  const firefox = 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0';
  const safari = 'Mozilla/5.0 (Macintosh) AppleWebKit/605.1.15 Version/18.1 Safari/605.1.15';
  expect(adviceFor(firefox, true, false)[0]).toMatch(/about:config/);
  expect(adviceFor(safari, true, false)[0]).toMatch(/Feature Flags/);
  expect(adviceFor(safari, false, false)[0]).toMatch(/https/);
});
