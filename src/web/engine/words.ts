import type { Tokenizer } from '../../text/tokenizer.ts';

/** A piece of an answer as people see words, with the tokens it was written by. */
export interface AnswerWord {
  /** With the whitespace before it. */
  readonly text: string;
  /** Places in the answer, from 0. */
  readonly tokens: readonly number[];
}

/**
 * The words of an answer; joined they are its text. A word begins at whitespace; tokens that write no text of their own
 * (the first bytes of a character, an end token) belong to the word they are in.
 */
export function wordsOf(
  { decode }: Pick<Tokenizer, 'decode'>,
  tokenIds: readonly number[],
): readonly AnswerWord[] {
  const words: { text: string; readonly tokens: number[] }[] = [];
  let written = '';
  let waiting: number[] = [];
  for (let i = 0; i < tokenIds.length; i++) {
    const text = decode(tokenIds.slice(0, i + 1), { skipSpecialTokens: true });
    waiting.push(i);
    if (text.length <= written.length || text.endsWith('\ufffd')) continue;
    const added = text.slice(written.length);
    written = text;
    // A token may end one word and begin others; all of them were written by it.
    for (const piece of added.match(/\s*\S+|\s+$/g) ?? []) {
      const last = words.at(-1);
      if (last && !/^\s/.test(piece)) {
        last.text += piece;
        last.tokens.push(...waiting);
      } else words.push({ text: piece, tokens: [...waiting] });
    }
    waiting = [];
  }
  return words;
}
