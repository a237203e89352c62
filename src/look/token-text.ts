import type { Tokenizer } from '../text/tokenizer.ts';

/** A token as a person reads it, without the space before it: `cat`, not `▁cat`. */
export function tokenText(
  { decode, idToToken }: Pick<Tokenizer, 'decode' | 'idToToken'>,
  id: number,
): string {
  const text = decode([id], { skipSpecialTokens: false, cleanUp: false }).trim();
  return text !== '' && !text.includes('\ufffd') ? text : (idToToken(id) ?? `#${id}`);
}
