import { expect, test } from 'vitest';
import { createTextProcessor } from '../../src/embed/text-processor.ts';
import { createTokenizer } from '../../src/text/tokenizer.ts';
import { readGoldenJson } from '../read-golden.ts';

const tower = {
  hiddenSize: 48,
  intermediateSize: 96,
  numHiddenLayers: 2,
  vocabSize: 621,
  maxPositionEmbeddings: 12,
  padding: 'full',
} as const;

/** SigLIP 2's tokenizer with some of its config replaced. */
function processorOf(changed: object) {
  const json = readGoldenJson<object>('siglip2/tokenizer.json');
  const config = { ...readGoldenJson<object>('siglip2/tokenizer_config.json'), ...changed };
  return createTextProcessor(createTokenizer(json, config), config, tower);
}
const whole = { truncate: false };

test('the class says whether SigLIP 2 lower-cases: its own does, the Gemma tokenizer that most files name does not', () => {
  const gemma = processorOf({});
  const upper = gemma.encode('Two cats', whole);
  const lower = gemma.encode('two cats', whole);
  expect(upper).not.toEqual(lower);
  for (const changed of [{ tokenizer_class: 'Siglip2Tokenizer' }, { do_lower_case: true }]) {
    expect(processorOf(changed).encode('TWO Cats', whole), JSON.stringify(changed)).toEqual(lower);
  }
});

test('Gemma tokenizers pad on the left unless their file says right', () => {
  const left = processorOf({}).encode('cats', whole);
  const right = processorOf({ padding_side: 'right' }).encode('cats', whole);
  expect(left).toHaveLength(12);
  const zeros = left.filter((id) => id === 0);
  expect(zeros.length).toBeGreaterThan(4);
  expect(right).toEqual([...left.slice(zeros.length), ...zeros]);
  expect(left.slice(zeros.length).at(-1)).toBe(1);
});

test('a text of too many tokens is cut before its end token, or refused', () => {
  const { encode } = processorOf({});
  const text = 'two cats and two dogs and two more';
  expect(() => encode(text, whole)).toThrow(/has \d\d tokens; expected at most 12/);
  const cut = encode(text, { truncate: true });
  expect(cut).toHaveLength(12);
  expect(cut.at(-1)).toBe(1);
  expect(cut.slice(0, 4)).toEqual(
    processorOf({ padding_side: 'right' }).encode('two cats', whole).slice(0, 4),
  );
});

test('a wrong padding side is refused', () => {
  expect(() => processorOf({ padding_side: 'top' })).toThrow('"padding_side" is "top"');
});
