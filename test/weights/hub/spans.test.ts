import { describe, expect, test } from 'vitest';
import { addSpan, coveredBytes, missingSpans, type Span } from '../../../src/weights/hub/spans.ts';

const span = (begin: number, end: number): Span => ({ begin, end });

describe('addSpan', () => {
  test.each([
    ['apart', [span(0, 2), span(6, 8)], span(3, 5), [span(0, 2), span(3, 5), span(6, 8)]],
    ['touching both', [span(0, 2), span(6, 8)], span(2, 6), [span(0, 8)]],
    ['over several', [span(1, 2), span(3, 4), span(6, 9)], span(0, 7), [span(0, 9)]],
    ['within', [span(0, 9)], span(3, 5), [span(0, 9)]],
    ['empty', [span(0, 2)], span(5, 5), [span(0, 2)]],
    ['backwards', [span(0, 2)], span(7, 5), [span(0, 2)]],
  ])('%s', (_, spans, added, expected) => expect(addSpan(spans, added)).toEqual(expected));
});

describe('missingSpans', () => {
  test.each([
    ['of nothing', [], 0, 4, []],
    ['of all, in parts', [], 10, 4, [span(0, 4), span(4, 8), span(8, 10)]],
    ['between', [span(2, 3), span(5, 6)], 7, 9, [span(0, 2), span(3, 5), span(6, 7)]],
    ['none', [span(0, 7)], 7, 2, []],
  ])('%s', (_, spans, byteLength, maxBytes, expected) =>
    expect(missingSpans(spans, byteLength, maxBytes)).toEqual(expected),
  );
});

test('agrees with a bitmap on random spans', () => {
  let state = 7;
  const random = (below: number): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  for (let round = 0; round < 200; round++) {
    const byteLength = 1 + random(60);
    const bitmap = new Array<boolean>(byteLength).fill(false);
    let spans: Span[] = [];
    for (let i = 0; i < 8; i++) {
      const begin = random(byteLength);
      const end = begin + random(byteLength - begin + 1);
      spans = addSpan(spans, { begin, end });
      bitmap.fill(true, begin, end);
    }
    expect(coveredBytes(spans)).toBe(bitmap.filter(Boolean).length);
    const missing = missingSpans(spans, byteLength, 5);
    expect(missing.every(({ begin, end }) => end > begin && end - begin <= 5)).toBe(true);
    const rest = bitmap.map((_, i) => !missing.some(({ begin, end }) => begin <= i && i < end));
    expect(rest).toEqual(bitmap);
  }
});
