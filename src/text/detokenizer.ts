import { isByteToken } from './byte-fallback.ts';
import { cleanPrefixLength, cleanUpSpaces } from './clean-up.ts';
import type { Tokenizer } from './tokenizer.ts';

/** Turns ids into text as they come; what it has given out never changes. */
export type Detokenizer = {
  /** Takes the next id and returns the text that is now final, often empty. */
  readonly push: (id: number) => string;
  /** Returns what was held back, at the end of the ids. */
  readonly flush: () => string;
};

/**
 * An incremental decoder: all it returns, joined, equals `decode(ids)`. It holds text back while a token may end
 * inside a character, while a run of byte tokens goes on (its validity is decided as a whole), and, when the
 * tokenizer cleans up spaces, to the end of a word.
 */
export function createDetokenizer(
  tokenizer: Tokenizer,
  options: { readonly skipSpecialTokens: boolean } = { skipSpecialTokens: true },
): Detokenizer {
  const decode = (ids: readonly number[]): string => tokenizer.decode(ids, { ...options, cleanUp: false });
  const clean = tokenizer.cleansUp ? createSpaceCleaner() : null;

  // The last ids whose text is out: decoders treat the first token of a text differently (leading space), so the
  // pending ones are always decoded after these.
  let context: number[] = [];
  let pending: number[] = [];

  const takePending = (): string => {
    const window = [...context, ...pending];
    const text = decode(window).slice(decode(context).length);
    context = pending;
    pending = [];
    return text;
  };

  return {
    push(id) {
      const token = tokenizer.idToToken(id);
      if (token === null || (options.skipSpecialTokens && tokenizer.isSpecial(id))) return '';
      pending.push(id);
      if (isByteToken(token) || decode([...context, ...pending]).endsWith('\uFFFD')) return '';
      const text = takePending();
      return clean ? clean.push(text) : text;
    },
    flush() {
      const text = pending.length > 0 ? takePending() : '';
      context = [];
      return clean ? clean.push(text) + clean.flush() : text;
    },
  };
}

function createSpaceCleaner(): { push: (text: string) => string; flush: () => string } {
  let held = '';
  const release = (length: number): string => {
    const text = cleanUpSpaces(held.slice(0, length));
    held = held.slice(length);
    return text;
  };
  return {
    push(text) {
      held += text;
      return release(cleanPrefixLength(held));
    },
    flush: () => release(held.length),
  };
}
