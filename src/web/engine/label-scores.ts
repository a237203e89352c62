import { InputError, invariant } from '../../core/errors.ts';
import { lastStateName } from '../../generate/final-norm.ts';
import type { VisionLanguageModel } from '../../generate/vision-language-model.ts';
import type { PictureSource } from '../../image/load-picture.ts';
import type { Tokenizer } from '../../text/tokenizer.ts';
import type { LabelResult } from '../protocol.ts';

/** Where a label stands in a question or a sentence. */
export const LABEL_PLACE = '{}';

/** A sentence with a label in it; before a vowel, `a {}` becomes `an`. */
export const fillIn = (template: string, label: string): string =>
  (/^[aeiou]/i.test(label) ? template.replace(/\b([Aa]) \{\}/g, '$1n {}') : template).replaceAll(
    LABEL_PLACE,
    label,
  );

/**
 * How sure a model that writes is of each label: it is asked `question` (`Is there a {} in the picture?`), and of the two
 * answers that begin with yes or no, this is the probability of yes. After VQAScore (Lin et al. 2024, arXiv 2404.01291).
 * Each label stands by itself. Throws InputError for a question without `{}` and for a tokenizer without these words.
 */
export async function scoreByAsking(
  model: VisionLanguageModel,
  image: PictureSource,
  labels: readonly string[],
  question: string,
  signal?: AbortSignal,
): Promise<readonly LabelResult[]> {
  if (!question.includes(LABEL_PLACE))
    throw new InputError(`labels: the question is "${question}"; expected {} in it, where each label goes.`);
  const yes = firstTokens(model.tokenizer, ['Yes', 'yes']);
  const no = firstTokens(model.tokenizer, ['No', 'no']);
  const { numHiddenLayers, hiddenSize } = model.model.text;
  const name = lastStateName(numHiddenLayers);
  const results: LabelResult[] = [];
  for (const label of labels) {
    const captured = await model.capture([name], { image, prompt: fillIn(question, label), signal });
    const states = captured.get(name);
    invariant(states, `"${name}" was captured`);
    const logits = await model.readOut(states.values.slice(-hiddenSize));
    results.push({ label, probability: shareOf(logits, yes, no) });
  }
  return results.toSorted((a, b) => b.probability - a.probability);
}

/** Of the probability that `yes` and `no` have together, how much `yes` has. */
function shareOf(logits: Float32Array, yes: readonly number[], no: readonly number[]): number {
  const of = (ids: readonly number[]): number[] => ids.map((id) => logits[id] ?? Number.NEGATIVE_INFINITY);
  const largest = Math.max(...of([...yes, ...no]));
  const sum = (ids: readonly number[]): number =>
    of(ids).reduce((total, logit) => total + Math.exp(logit - largest), 0);
  return sum(yes) / (sum(yes) + sum(no));
}

/** The tokens that answers starting with one of `words` begin with, with and without a space before it. */
function firstTokens({ encode, idToToken }: Tokenizer, words: readonly string[]): number[] {
  const ids = words.flatMap((word) =>
    [word, ` ${word}`].flatMap((text) => {
      const written = encode(text, { addSpecialTokens: false });
      // A lone space before the word is a token of its own in some vocabularies, and begins anything.
      const id = written.find((one) => /[a-z]/i.test(idToToken(one) ?? ''));
      return id === undefined ? [] : [id];
    }),
  );
  if (ids.length > 0) return [...new Set(ids)];
  throw new InputError(`labels: the tokenizer has no "${words[0]}"; expected a model that can say it.`);
}
