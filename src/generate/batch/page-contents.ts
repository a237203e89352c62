import { featureKey } from '../feature-cache.ts';
import type { Prompt } from '../prompt.ts';
import { PAGE_SIZE } from './page-pool.ts';

/**
 * What the pages of a prompt and its answer hold, as far as the first `tokens` of them fill pages: ids, which part of which
 * picture, and positions. Pages alike in this and in all before them hold the same keys and values. None where tokens see
 * beyond those before them, and none from a picture on that has no key.
 */
export function pageContents(
  { tokenIds, imageIndex, media, positions, nextPosition, spans }: Prompt,
  answer: readonly number[],
  tokens: number,
): readonly string[] {
  if (spans) return [];
  const features = media.flatMap((one, medium) => {
    const picture = featureKey(one);
    return Array.from({ length: one.layout.tokens }, (_, row) => ({ picture, row, medium }));
  });
  const contents: string[] = [];
  for (let begin = 0; begin + PAGE_SIZE <= tokens; begin += PAGE_SIZE) {
    const words: (string | number)[] = [];
    let medium = -1;
    for (let i = begin; i < begin + PAGE_SIZE; i++) {
      const answered = i - tokenIds.length;
      words.push(tokenIds[i] ?? answer[answered] ?? -1);
      const counted = answered < 0 ? positions.map((axis) => axis[i] ?? i) : [nextPosition + answered];
      if (counted.some((position) => position !== i)) words.push(`at ${counted.join(',')}`);
      const feature = features[imageIndex[i] ?? -1];
      if (!feature) continue;
      if (feature.picture === null) return contents;
      if (feature.medium !== medium) words.push(`of ${feature.picture}`);
      words.push(`row ${feature.row}`);
      medium = feature.medium;
    }
    contents.push(words.join(' '));
  }
  return contents;
}
