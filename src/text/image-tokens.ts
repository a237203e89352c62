import { InputError } from '../core/errors.ts';

/**
 * Repeats each picture's placeholder once per image feature, in order: `featureCounts[i]` ids for the i-th.
 * Throws InputError when the placeholders are not as many as the pictures.
 */
export function expandImageTokens(
  ids: readonly number[],
  imageTokenId: number,
  featureCounts: readonly number[],
): number[] {
  const placeholders = countTokens(ids, imageTokenId);
  if (placeholders !== featureCounts.length) {
    throw new InputError(
      `image tokens: the prompt holds ${quantity(placeholders, 'image placeholder')} but ${quantity(featureCounts.length, 'picture')} ${featureCounts.length === 1 ? 'was' : 'were'} given; expected one placeholder per picture.`,
    );
  }
  let picture = 0;
  return ids.flatMap((id) =>
    id === imageTokenId ? new Array<number>(featureCounts[picture++] ?? 0).fill(imageTokenId) : [id],
  );
}

/**
 * For each of the S tokens, the row of the image features that takes its place, or -1 for text: `[S]`.
 * Throws InputError when tokens and features differ in number.
 */
export function imageFeatureRows(
  ids: readonly number[],
  imageTokenId: number,
  featureCount: number,
): Int32Array {
  const tokens = countTokens(ids, imageTokenId);
  if (tokens !== featureCount) {
    throw new InputError(
      `image tokens: the prompt holds image tokens ${tokens}, image features ${featureCount}; expected as many tokens as features.`,
    );
  }
  let row = 0;
  return Int32Array.from(ids, (id) => (id === imageTokenId ? row++ : -1));
}

export const countTokens = (ids: readonly number[], tokenId: number): number =>
  ids.reduce((count, id) => (id === tokenId ? count + 1 : count), 0);

const quantity = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`;
