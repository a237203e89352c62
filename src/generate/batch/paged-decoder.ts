import { invariant } from '../../core/errors.ts';
import type { HostArray } from '../../runtime/host-array.ts';
import type { Session } from '../../runtime/session.ts';
import { createStateStore } from '../../runtime/state-store.ts';
import { bucketOf, MAX_CHUNK } from '../decoder-inputs.ts';
import { createSessionCache, type ModelRuntime } from '../sessions.ts';
import { buildBatchGraph, type PassShape } from './batch-graph.ts';
import { PAGE_SIZE, pagesFor } from './page-pool.ts';
import { type PassFeatures, type PassRow, passInputs } from './pass-inputs.ts';

/** Lengths and numbers of prompts, with and without pictures: as many stay compiled. */
const MAX_PROMPT_SESSIONS = 24;

export interface PassOptions {
  /** Whether prompts begin: nothing lies before them in their pages. */
  readonly begins: boolean;
  readonly wantsLogits: boolean;
  readonly features?: PassFeatures | undefined;
}

export interface DecodedRows {
  /** Of each row, without repetition penalty. */
  readonly tokens: ArrayLike<number>;
  /** Of each row, where they were asked for. */
  readonly logits: readonly Float32Array[];
}

/** A decoder of several answers at once, over a cache in pages. */
export interface PagedDecoder {
  /** Rows that passes may have. */
  readonly sizes: readonly number[];
  /** Rows of a pass over so many. */
  sizeFor(rows: number): number;
  /** Appends the tokens of each row to its pages, and gives the one after them. */
  run(rows: readonly PassRow[], options: PassOptions): Promise<DecodedRows>;
  /** Compiles the passes of one token of all sizes. */
  prepare(): Promise<void>;
  dispose(): void;
}

export interface PagedDecoderSizes {
  /** Answers at once at most. */
  readonly slots: number;
  /** Pages that can be owned. */
  readonly pages: number;
  /** Tokens of one answer with its prompt. */
  readonly contextTokens: number;
}

export function createPagedDecoder(
  runtime: ModelRuntime,
  { slots, pages, contextTokens }: PagedDecoderSizes,
): PagedDecoder {
  const { model, weightScope, precision } = runtime;
  const { vocabSize } = model.text;
  const states = createStateStore(runtime.device);
  const sizes = passSizes(slots);
  const steps = createSessionCache(runtime, states, sizes.length);
  const prompts = createSessionCache(runtime, states, MAX_PROMPT_SESSIONS);
  const pagesPerRow = pagesFor(contextTokens);
  const cache = { pages: pages + 1, pageSize: PAGE_SIZE, capacity: pagesPerRow * PAGE_SIZE };

  const sessionOf = (shape: PassShape): Promise<Session> =>
    (shape.tokens === 1 ? steps : prompts).get(`batch ${Object.values(shape).join(' ')}`, () =>
      buildBatchGraph(model, weightScope, precision, shape, cache),
    );
  /** Shape of a pass over the latest tokens of so many answers. */
  const stepShape = (rows: number): PassShape => ({
    rows,
    tokens: 1,
    begins: false,
    pagesPerRow,
    imageRows: 0,
    spans: false,
  });
  const shapeOf = (rows: readonly PassRow[], { begins, features }: PassOptions): PassShape => {
    const size = sizeFor(rows.length);
    const tokens = passLength(Math.max(...rows.map(({ tokenIds }) => tokenIds.length)));
    if (tokens === 1) return stepShape(size);
    const last = Math.max(...rows.map(({ past }) => past)) + tokens;
    return {
      rows: size,
      tokens,
      begins,
      pagesPerRow: passPages(pagesFor(last), pagesPerRow),
      imageRows: features?.rows ?? 0,
      spans: rows.some(({ spans }) => spans),
    };
  };
  const sizeFor = (rows: number): number => {
    const size = sizes.find((candidate) => candidate >= rows);
    invariant(size !== undefined, `${rows} rows in ${slots} slots`);
    return size;
  };

  return {
    sizes,
    sizeFor,
    async run(rows, options) {
      const { wantsLogits, features } = options;
      const shape = shapeOf(rows, options);
      const session = await sessionOf(shape);
      const { token, logits } = await session.runAndRead(
        passInputs(model, rows, shape, cache, features),
        wantsLogits ? ['token', 'logits'] : ['token'],
      );
      return {
        tokens: token ?? [],
        logits: rows.flatMap((_, i) => (logits ? [rowOf(logits, i, vocabSize)] : [])),
      };
    },
    async prepare() {
      for (const rows of sizes) await sessionOf(stepShape(rows));
    },
    dispose() {
      steps.clear();
      prompts.clear();
      states.dispose();
    },
  };
}

/** Few sizes mean few plans; the rows that fill up a pass cost less than another plan would. */
export function passSizes(slots: number): readonly number[] {
  const sizes: number[] = [];
  for (let size = 1; size < slots; size *= 4) sizes.push(size);
  return [...sizes, slots];
}

/** Padded lengths of the prompts of a pass: few, so that those of several requests are of one. */
const LENGTHS = [1, 16, 32, 64, 96, 128, 192, 256, 384, MAX_CHUNK];

/** A chunk of a prompt whose tokens see each other both ways may be longer than others. */
export const passLength = (tokens: number): number =>
  LENGTHS.find((candidate) => candidate >= tokens) ?? bucketOf(tokens);

/** Fewer pages are not worth a plan of their own. */
const LEAST_PAGES = 16;

/** Pages of a prompt's pass: all that a row may have, or a half, a quarter and so on of them, since all are read. */
export function passPages(needed: number, most: number): number {
  let pages = most;
  while (pages > LEAST_PAGES && Math.ceil(pages / 2) >= needed) pages = Math.ceil(pages / 2);
  return pages;
}

const rowOf = (logits: HostArray, row: number, width: number): Float32Array =>
  (logits as Float32Array).subarray(row * width, (row + 1) * width);
