/** Parts of a file: sorted, apart from each other, none empty. */

/** Bytes from `begin` to before `end`. */
export interface Span {
  readonly begin: number;
  readonly end: number;
}

/** `spans` with one more part, joined with those it touches. */
export function addSpan(spans: readonly Span[], added: Span): Span[] {
  if (added.end <= added.begin) return [...spans];
  const before = spans.filter(({ end }) => end < added.begin);
  const after = spans.filter(({ begin }) => begin > added.end);
  const touched = spans.slice(before.length, spans.length - after.length);
  const begin = Math.min(added.begin, touched[0]?.begin ?? added.begin);
  const end = Math.max(added.end, touched.at(-1)?.end ?? added.end);
  return [...before, { begin, end }, ...after];
}

/** What of `byteLength` bytes is in none of `spans`, in parts of at most `maxBytes`. */
export function missingSpans(spans: readonly Span[], byteLength: number, maxBytes: number): Span[] {
  const missing: Span[] = [];
  let begin = 0;
  for (const covered of [...spans, { begin: byteLength, end: byteLength }]) {
    for (; begin < covered.begin; begin = Math.min(begin + maxBytes, covered.begin)) {
      missing.push({ begin, end: Math.min(begin + maxBytes, covered.begin) });
    }
    begin = covered.end;
  }
  return missing;
}

export const coveredBytes = (spans: readonly Span[]): number =>
  spans.reduce((sum, { begin, end }) => sum + end - begin, 0);
