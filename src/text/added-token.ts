import { ConfigError } from '../core/errors.ts';
import { createTokenizer } from './tokenizer.ts';

/** A tokenizer.json that has a certain special token, and the token's id. */
export interface TokenizerWithToken {
  readonly json: unknown;
  readonly id: number;
}

/**
 * Adds a special token to a parsed tokenizer.json, where it lacks it, with an id from `firstFreeId` on that no other has.
 * Throws ConfigError for a tokenizer that is malformed.
 */
export function withSpecialToken(
  tokenizerJson: unknown,
  token: string,
  firstFreeId: number,
): TokenizerWithToken {
  const known = createTokenizer(tokenizerJson, {});
  const present = known.tokenToId(token);
  if (present !== null) return { json: tokenizerJson, id: present };
  const { added_tokens: added = [], ...rest } = tokenizerJson as { readonly added_tokens?: unknown };
  if (!Array.isArray(added)) {
    throw new ConfigError(`tokenizer.json: added_tokens is ${typeof added}; expected a list.`);
  }
  const id = Math.max(firstFreeId, known.vocabSize);
  const entry = {
    ...{ id, content: token, special: true },
    ...{ single_word: false, lstrip: false, rstrip: false, normalized: false },
  };
  return { json: { ...rest, added_tokens: [...added, entry] }, id };
}
