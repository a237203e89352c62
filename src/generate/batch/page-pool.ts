import { invariant } from '../../core/errors.ts';

/** Tokens of a page: few, so that little of a row's last page is unused. */
export const PAGE_SIZE = 16;

/** The page that pads tables: rows that wait and places behind a row's end lie there. Nobody owns it. */
export const SPARE_PAGE = 0;

/** Pages of one request, in the order of its tokens. */
export interface TakenPages {
  readonly pages: readonly number[];
  /** How many of them, from the first on, hold their tokens already. They may be others' as well: nothing is written there. */
  readonly known: number;
}

/** Which pages of a cache are free, and what full ones hold, those that were given back included until they are needed. */
export interface PagePool {
  /** Pages that can be owned. */
  readonly count: number;
  /** Those that nobody owns. */
  readonly free: number;
  /** How many pages from the first on are known to hold what `contents` says of each. */
  known(contents: readonly string[]): number;
  /** Pages for `tokens` tokens that begin with those of `contents`, or undefined where too few are free. */
  take(tokens: number, contents: readonly string[]): TakenPages | undefined;
  /** Notes what each of the first pages holds; it is not written to again. */
  note(pages: readonly number[], contents: readonly string[]): void;
  give(pages: readonly number[]): void;
}

export const pagesFor = (tokens: number): number => Math.ceil(tokens / PAGE_SIZE);

/** A page's tokens say what it holds only together with all before them: `before` is the note of the page before. */
interface Note {
  readonly key: string;
  readonly serial: number;
  readonly page: number;
}

export function createPagePool(count: number): PagePool {
  // Sets iterate in insertion order: the page that was given back first is the first to be used again.
  const free = new Set(Array.from({ length: count }, (_, i) => i + 1));
  const owners = new Map<number, number>();
  const notes = new Map<string, Note>();
  const noteOf = new Map<number, Note>();
  let serials = 0;

  const keyOf = (before: Note | undefined, content: string): string => `${before?.serial ?? 0} ${content}`;
  /** Notes of the first pages that hold `contents`. */
  const found = (contents: readonly string[]): readonly Note[] => {
    const chain: Note[] = [];
    for (const content of contents) {
      const note = notes.get(keyOf(chain.at(-1), content));
      if (!note) break;
      chain.push(note);
    }
    return chain;
  };
  const own = (page: number): void => {
    free.delete(page);
    owners.set(page, (owners.get(page) ?? 0) + 1);
  };
  const forget = (page: number): void => {
    const note = noteOf.get(page);
    if (!note) return;
    noteOf.delete(page);
    notes.delete(note.key);
  };

  return {
    count,
    get free() {
      return free.size;
    },
    known: (contents) => found(contents).length,
    take(tokens, contents) {
      const shared = found(contents).map(({ page }) => page);
      const unowned = shared.filter((page) => free.has(page)).length;
      const wanted = pagesFor(tokens) - shared.length;
      if (wanted + unowned > free.size) return undefined;
      for (const page of shared) own(page);
      const fresh = [...free].slice(0, wanted);
      for (const page of fresh) {
        forget(page);
        own(page);
      }
      return { pages: [...shared, ...fresh], known: shared.length };
    },
    note(pages, contents) {
      let before: Note | undefined;
      for (const [i, content] of contents.entries()) {
        const key = keyOf(before, content);
        const page = pages[i];
        invariant(page !== undefined, `${contents.length} contents of ${pages.length} pages`);
        // Others may have made the same page meanwhile; one of them is enough.
        const note = notes.get(key) ?? { key, serial: ++serials, page };
        if (note.page === page) {
          notes.set(key, note);
          noteOf.set(page, note);
        }
        before = note;
      }
    },
    give(pages) {
      invariant(!pages.some((page) => !owners.has(page)), 'a page is given back twice');
      // The last first: what a beginning leads to is used up before the beginning.
      for (const page of pages.toReversed()) {
        const left = (owners.get(page) ?? 1) - 1;
        if (left > 0) owners.set(page, left);
        else {
          owners.delete(page);
          free.add(page);
        }
      }
    },
  };
}
