import type { CaptureRequest } from '../generate/capture.ts';
import type { VisionLanguageModel } from '../generate/vision-language-model.ts';
import type { Picture } from '../image/picture.ts';
import { tokenText } from '../look/token-text.ts';
import type { LookValues } from './look-options.ts';
import { UsageError } from './usage-error.ts';

/** A token of an answer. */
export interface AnswerToken {
  /** Place in the answer, from 0. */
  readonly index: number;
  /** Place in prompt and answer of the token that it was read from: the one before it. */
  readonly writer: number;
  readonly text: string;
}

/** A question about a picture with the model's answer. */
export interface LookAnswer {
  readonly request: CaptureRequest;
  readonly question: string;
  readonly text: string;
  /** Those that were asked for with --token. */
  readonly tokens: readonly AnswerToken[];
}

const [QUESTION, MAX_TOKENS] = ['Describe the image.', 24];

/** Lets the model answer and picks the tokens to look at. Throws UsageError for a --token that is not in the answer. */
export async function answerPicture(
  model: VisionLanguageModel,
  image: Picture,
  values: LookValues,
  signal: AbortSignal,
): Promise<LookAnswer> {
  const { prompt = QUESTION, 'max-new-tokens': maxNewTokens = MAX_TOKENS } = values;
  const { tokenIds, promptTokenIds, text } = await model.generate({
    prompt,
    images: [image],
    greedy: true,
    maxNewTokens,
    signal,
  });
  const all = tokenIds.map((id, index) => ({
    index,
    writer: promptTokenIds.length + index - 1,
    text: tokenText(model.tokenizer, id),
    isSpecial: model.tokenizer.isSpecial(id),
  }));
  const given = values.token;
  const tokens =
    given.length === 0
      ? all.filter(({ isSpecial }) => !isSpecial)
      : given.flatMap((wanted) => {
          const found = all.filter(({ index, text: own }) => isMeant(wanted, index, own));
          if (found.length > 0) return found;
          const known = all.map((token) => `${token.index} ${token.text}`).join(', ');
          throw new UsageError(`--token "${wanted}" is not in the answer; expected one of: ${known}.`);
        });
  // An answer may be an end token alone.
  const shown = tokens.length > 0 ? tokens : all;
  return { request: { image, prompt, answer: tokenIds, signal }, question: prompt, text, tokens: shown };
}

const isMeant = (wanted: string, index: number, text: string): boolean =>
  /^\d+$/.test(wanted) ? Number(wanted) === index : text.toLowerCase().includes(wanted.trim().toLowerCase());
