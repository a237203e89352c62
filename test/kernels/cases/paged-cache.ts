import type { OpCase } from '../op-case.ts';

interface Sizes {
  readonly batch: number;
  readonly queries?: number;
  readonly heads?: number;
  readonly kvHeads?: number;
  readonly headDim?: number;
  readonly pageSize: number;
  /** Pages of each row; all different, but for page 0, which pads. */
  readonly pages: readonly (readonly number[])[];
  readonly past: readonly number[];
}

const pool = ({ pages }: Sizes): number => 1 + Math.max(...pages.flat());
const rows = ({ pages, past, batch }: Sizes): OpCase['inputs'] => ({
  past: { dtype: 'u32', shape: [batch], values: past },
  pages: { dtype: 'u32', shape: [batch, pages[0]?.length ?? 0], values: pages.flat() },
});

function attentionCase(
  label: string,
  sizes: Sizes,
  { softcap, slidingWindow }: Partial<Readonly<Record<'softcap' | 'slidingWindow', number>>> = {},
): OpCase {
  const { batch, queries = 1, heads = 2, kvHeads = heads, headDim = 8, pageSize } = sizes;
  const cache = { dtype: 'float', shape: [pool(sizes), pageSize, kvHeads, headDim] } as const;
  return {
    label,
    attrs: {
      scale: 1 / Math.sqrt(headDim),
      causal: true,
      softcap: softcap ?? null,
      slidingWindow: slidingWindow ?? null,
    },
    inputs: {
      q: { dtype: 'float', shape: [batch, queries, heads, headDim] },
      k: cache,
      v: cache,
      ...rows(sizes),
    },
  };
}

/** Pages of `lengths` tokens, handed out by turns so that no row has neighbours. */
function dealt(lengths: readonly number[], pageSize: number): readonly (readonly number[])[] {
  const most = Math.max(...lengths.map((length) => Math.ceil(length / pageSize)));
  return lengths.map((length, b) =>
    Array.from({ length: most }, (_, n) => (n * pageSize < length ? 1 + n * lengths.length + b : 0)),
  );
}

export const pagedAttentionCases: readonly OpCase[] = [
  attentionCase('one token of one row', { batch: 1, pageSize: 4, pages: [[1, 0]], past: [0] }),
  attentionCase('rows of different lengths', {
    batch: 3,
    heads: 6,
    kvHeads: 2,
    pageSize: 4,
    pages: dealt([12, 1, 7], 4),
    past: [11, 0, 6],
  }),
  attentionCase('heads that no four divide, pages of 3', {
    batch: 2,
    headDim: 5,
    pageSize: 3,
    pages: dealt([8, 5], 3),
    past: [7, 4],
  }),
  attentionCase('several tokens a row', {
    batch: 2,
    queries: 3,
    pageSize: 4,
    pages: dealt([9, 5], 4),
    past: [6, 2],
  }),
  attentionCase(
    'softcap and window',
    { batch: 2, pageSize: 16, pages: dealt([40, 20], 16), past: [39, 19] },
    {
      softcap: 2,
      slidingWindow: 7,
    },
  ),
  attentionCase('more keys than a chunk, of wide heads', {
    batch: 2,
    heads: 4,
    kvHeads: 1,
    headDim: 64,
    pageSize: 16,
    pages: dealt([300, 5], 16),
    past: [299, 4],
  }),
  attentionCase('a row that waits has a page that nobody owns', {
    batch: 2,
    pageSize: 4,
    pages: [
      [1, 2],
      [0, 0],
    ],
    past: [5, 0],
  }),
];

const appendCase = (label: string, sizes: Sizes): OpCase => {
  const { batch, queries = 1, kvHeads = 2, headDim = 3, pageSize } = sizes;
  return {
    label,
    attrs: {},
    inputs: {
      cache: { dtype: 'float', shape: [pool(sizes), pageSize, kvHeads, headDim] },
      x: { dtype: 'float', shape: [batch, queries, kvHeads, headDim] },
      ...rows(sizes),
    },
  };
};

export const pagedAppendCases: readonly OpCase[] = [
  appendCase('one token of one row', { batch: 1, pageSize: 4, pages: [[1, 0]], past: [0] }),
  appendCase('rows of different lengths', {
    batch: 3,
    pageSize: 4,
    pages: dealt([12, 1, 7], 4),
    past: [11, 0, 6],
  }),
  appendCase('over the end of a page', {
    batch: 2,
    queries: 5,
    pageSize: 4,
    pages: dealt([8, 11], 4),
    past: [3, 6],
  }),
  appendCase('what lies beyond the pages is dropped', {
    batch: 2,
    queries: 4,
    pageSize: 4,
    pages: dealt([8, 8], 4),
    past: [6, 9],
  }),
];
