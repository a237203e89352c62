import { describe, expect, test } from 'vitest';
import { bucketOf, chunkEnd } from '../../src/generate/decoder-inputs.ts';
import { commonPrefix, extendPrefix, mediaBeyond, prefixOf } from '../../src/generate/prefix.ts';
import type { Prompt } from '../../src/generate/prompt.ts';
import type { ProcessedMedium } from '../../src/processors/processor.ts';

const IMAGE = 9;

const picture = (key: string | null, tokens: number): ProcessedMedium => ({
  kind: 'image',
  key,
  layout: { tile: { kind: 'image', shape: [3, 2, 2] }, tiles: 1, tokens },
  tiles: () => [],
});

function promptOf(
  tokenIds: readonly number[],
  media: readonly ProcessedMedium[] = [],
  spans?: readonly number[],
): Prompt {
  let row = 0;
  return {
    tokenIds,
    imageIndex: Int32Array.from(tokenIds, (id) => (id === IMAGE ? row++ : -1)),
    media,
    positions: [Int32Array.from(tokenIds, (_, i) => i)],
    nextPosition: tokenIds.length,
    spans: spans && Uint32Array.from(spans),
  };
}

const common = (a: Prompt, b: Prompt): number => commonPrefix(prefixOf(a), prefixOf(b));

describe('commonPrefix', () => {
  test('ends where ids differ, and leaves a token to run', () => {
    expect(common(promptOf([1, 2, 3]), promptOf([1, 2, 4, 5]))).toBe(2);
    expect(common(promptOf([1, 2, 3]), promptOf([1, 2, 3]))).toBe(2);
    expect(common(promptOf([1, 2, 3, 4]), promptOf([1, 2]))).toBe(1);
    expect(common(promptOf([5]), promptOf([1, 2]))).toBe(0);
  });

  test('tells pictures apart by key, and trusts none without', () => {
    const ids = [1, IMAGE, IMAGE, 2, 3];
    expect(common(promptOf(ids, [picture('a', 2)]), promptOf([...ids, 4], [picture('a', 2)]))).toBe(5);
    expect(common(promptOf(ids, [picture('a', 2)]), promptOf([...ids, 4], [picture('b', 2)]))).toBe(1);
    expect(common(promptOf(ids, [picture(null, 2)]), promptOf([...ids, 4], [picture(null, 2)]))).toBe(1);
  });

  test('keeps no token that saw keys beyond the prefix', () => {
    const whole = [0, 3, 0, 3, 0, 3, 0, 0];
    expect(common(promptOf([1, 2, 3, 4], [], whole), promptOf([1, 2, 3, 4, 5], [], [...whole, 0, 0]))).toBe(
      4,
    );
    // The prefix that all see both ways goes on in the one and is another in the other.
    expect(common(promptOf([1, 2, 3, 4], [], whole), promptOf([1, 2, 7, 4], [], whole))).toBe(0);
    const middle = [0, 0, 1, 3, 1, 3, 0, 0];
    expect(common(promptOf([1, 2, 3, 4], [], middle), promptOf([1, 2, 7, 4], [], middle))).toBe(1);
  });

  test('counts the answer in, as far as it is in the cache', () => {
    const answered = extendPrefix(prefixOf(promptOf([1, 2])), [3, 4, 5], 2, 4);
    expect(answered.tokenIds).toEqual([1, 2, 3, 4]);
    expect(commonPrefix(answered, prefixOf(promptOf([1, 2, 3, 4, 5, 6])))).toBe(4);
    // A stopped prefill leaves less than the prompt.
    expect(extendPrefix(prefixOf(promptOf([1, 2, 3])), [], 3, 2).tokenIds).toEqual([1, 2]);
  });

  test('needs equal positions on every axis', () => {
    const cached = { ...promptOf([1, 2, 3]), positions: [Int32Array.of(0, 5, 6)] };
    expect(common(cached, promptOf([1, 2, 3, 4]))).toBe(1);
  });
});

test('mediaBeyond leaves out pictures that lie in the kept part', () => {
  const [a, b] = [picture('a', 2), picture('b', 1)];
  const prompt = promptOf([IMAGE, IMAGE, 1, IMAGE, 2], [a, b]);
  expect(mediaBeyond(prompt, 0)).toEqual({ media: [a, b], index: Int32Array.of(0, 1, -1, 2, -1) });
  expect(mediaBeyond(prompt, 1)).toEqual({ media: [a, b], index: Int32Array.of(1, -1, 2, -1) });
  expect(mediaBeyond(prompt, 2)).toEqual({ media: [b], index: Int32Array.of(-1, 0, -1) });
  expect(mediaBeyond(prompt, 4)).toEqual({ media: [], index: Int32Array.of(-1) });
});

describe('chunkEnd', () => {
  const spansOf = (length: number, spans: readonly (readonly [number, number])[]): Uint32Array => {
    const all = new Uint32Array(2 * length);
    for (const [first, last] of spans) for (let i = first; i < last; i++) all.set([first, last], 2 * i);
    return all;
  };

  test('cuts at 512 tokens', () => {
    expect(chunkEnd(0, 100, undefined, 0)).toBe(100);
    expect(chunkEnd(512, 2000, undefined, 0)).toBe(1024);
  });

  test('leaves a picture whole for the next chunk', () => {
    const spans = spansOf(2000, [
      [10, 300],
      [400, 600],
    ]);
    expect(chunkEnd(0, 2000, spans, 0)).toBe(400);
    expect(chunkEnd(400, 2000, spans, 0)).toBe(912);
  });

  test('grows where a span is longer than a chunk', () => {
    expect(chunkEnd(0, 2000, spansOf(2000, [[0, 1500]]), 0)).toBe(1500);
    // Of two that overlap, the second may not be cut off.
    const spans = spansOf(1000, [[0, 600]]);
    spans.set([0, 700], 2 * 550);
    expect(chunkEnd(0, 1000, spans, 0)).toBe(700);
  });

  test('counts keys from the beginning of the cache', () => {
    const spans = spansOf(1000, [[0, 600]]).map((value) => (value > 0 ? value + 50 : 0));
    expect(chunkEnd(0, 1000, spans, 50)).toBe(600);
  });
});

test('buckets are few and waste little', () => {
  expect([1, 2, 17, 128, 129, 513].map(bucketOf)).toEqual([1, 16, 32, 128, 192, 576]);
});
