import { InputError } from '../core/errors.ts';

/** How many features one picture or video has, and the token that each of them replaces. */
export interface MediumTokens {
  readonly tokenId: number;
  readonly count: number;
}

/**
 * For each of the S tokens, the row that takes its place in the features of all media in a row, or -1 for text: `[S]`.
 * Media of one token id are met in their order. Throws InputError when tokens and features differ in number.
 */
export function imageFeatureRows(
  ids: readonly number[],
  media: readonly MediumTokens[],
): Int32Array<ArrayBuffer> {
  let offset = 0;
  const rowsOf = new Map<number, number[]>();
  for (const { tokenId, count } of media) {
    const rows = rowsOf.get(tokenId) ?? [];
    for (let i = 0; i < count; i++) rows.push(offset + i);
    rowsOf.set(tokenId, rows);
    offset += count;
  }
  for (const [tokenId, rows] of rowsOf) {
    const tokens = countTokens(ids, tokenId);
    if (tokens === rows.length) continue;
    throw new InputError(
      `image tokens: the prompt holds image tokens ${tokens}, image features ${rows.length}; expected as many tokens as features.`,
    );
  }
  const next = new Map<number, number>();
  return Int32Array.from(ids, (id) => {
    const rows = rowsOf.get(id);
    if (!rows) return -1;
    const at = next.get(id) ?? 0;
    next.set(id, at + 1);
    return rows[at] ?? -1;
  });
}

export const countTokens = (ids: readonly number[], tokenId: number): number =>
  ids.reduce((count, id) => (id === tokenId ? count + 1 : count), 0);
