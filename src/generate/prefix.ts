import type { ProcessedMedium } from '../processors/processor.ts';
import { featureKey } from './feature-cache.ts';
import type { Prompt } from './prompt.ts';

/** What decides whether keys and values in the cache serve another prompt: one entry per token. */
export interface CachedPrefix {
  readonly tokenIds: readonly number[];
  /** Which picture's feature a token is; null for text, undefined where it cannot be told. */
  readonly contents: readonly (string | null | undefined)[];
  readonly positions: readonly ArrayLike<number>[];
  readonly spans: Uint32Array | undefined;
}

export function prefixOf({ tokenIds, imageIndex, media, positions, spans }: Prompt): CachedPrefix {
  const features = media.flatMap((medium) => {
    const key = featureKey(medium);
    return Array.from({ length: medium.layout.tokens }, (_, row) =>
      key === null ? undefined : `${key} ${row}`,
    );
  });
  const contents = Array.from(imageIndex, (row) => (row < 0 ? null : features[row]));
  return { tokenIds, contents, positions, spans };
}

/** The prefix with the answer behind it: as much of both as is in the cache, which holds `length` tokens. */
export function extendPrefix(
  prefix: CachedPrefix,
  answer: readonly number[],
  nextPosition: number,
  length: number,
): CachedPrefix {
  const tokenIds = [...prefix.tokenIds, ...answer].slice(0, length);
  const counted = answer.map((_, i) => nextPosition + i);
  return {
    tokenIds,
    contents: [...prefix.contents, ...answer.map(() => null)].slice(0, length),
    positions: prefix.positions.map((axis) => [...Array.from(axis), ...counted].slice(0, length)),
    spans: prefix.spans,
  };
}

/**
 * Tokens at the beginning of `next` whose keys and values a cache of `cached` holds: equal ids, pictures and positions,
 * and no token that sees beyond them. At least one token is left to run.
 */
export function commonPrefix(cached: CachedPrefix, next: CachedPrefix): number {
  const limit = Math.min(cached.tokenIds.length, next.tokenIds.length - 1);
  const spanOf = (spans: Uint32Array | undefined, i: number): readonly [number, number] => {
    const [first = 0, last = 0] = spans?.subarray(2 * i, 2 * i + 2) ?? [];
    return first < last ? [first, last] : [0, 0];
  };
  const isSame = (i: number): boolean => {
    const [first, last] = spanOf(cached.spans, i);
    const [nextFirst, nextLast] = spanOf(next.spans, i);
    return (
      cached.tokenIds[i] === next.tokenIds[i] &&
      next.contents[i] !== undefined &&
      cached.contents[i] === next.contents[i] &&
      next.positions.every((axis, a) => axis[i] === cached.positions[a]?.[i]) &&
      first === nextFirst &&
      last === nextLast
    );
  };
  let common = 0;
  while (common < limit && isSame(common)) common++;
  for (let i = 0; i < common; i++) if (spanOf(next.spans, i)[1] > common) return i;
  return common;
}

/** The media that tokens from `keep` on refer to, and for each token its row in their features in a row, or -1. */
export function mediaBeyond(
  { imageIndex, media }: Prompt,
  keep: number,
): { readonly media: readonly ProcessedMedium[]; readonly index: Int32Array<ArrayBuffer> } {
  const rows = imageIndex.slice(keep);
  const needed: ProcessedMedium[] = [];
  /** Row of the features of all media → row of those needed. */
  const moved = new Map<number, number>();
  let begin = 0;
  for (const medium of media) {
    const end = begin + medium.layout.tokens;
    if (rows.some((row) => row >= begin && row < end)) {
      const { size } = moved;
      for (let row = begin; row < end; row++) moved.set(row, size + row - begin);
      needed.push(medium);
    }
    begin = end;
  }
  return { media: needed, index: rows.map((row) => moved.get(row) ?? -1) };
}
