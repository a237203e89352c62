import type { Tokenizer } from '../text/tokenizer.ts';

/** A token as a person reads it, on one line and without the space before it: `cat`, not `▁cat`; `\n` for a line break. */
export function tokenText(
  { decode, idToToken }: Pick<Tokenizer, 'decode' | 'idToToken'>,
  id: number,
): string {
  const text = decode([id], { skipSpecialTokens: false, cleanUp: false }).trim();
  const shown = text !== '' && !text.includes('\ufffd') ? text : (idToToken(id) ?? `#${id}`);
  return JSON.stringify(shown).slice(1, -1).replaceAll('\\"', '"').replaceAll('\\\\', '\\');
}
