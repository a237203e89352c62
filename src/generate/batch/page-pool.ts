import { invariant } from '../../core/errors.ts';

/** Tokens of a page: few, so that little of a row's last page is unused. */
export const PAGE_SIZE = 16;

/** The page that pads tables: rows that wait and places behind a row's end lie there. Nobody owns it. */
export const SPARE_PAGE = 0;

/** Which pages of a cache are free. */
export interface PagePool {
  /** Pages that can be owned. */
  readonly count: number;
  readonly free: number;
  /** Pages for `tokens` tokens, or undefined where too few are free. */
  take(tokens: number): readonly number[] | undefined;
  give(pages: readonly number[]): void;
}

export const pagesFor = (tokens: number): number => Math.ceil(tokens / PAGE_SIZE);

export function createPagePool(count: number): PagePool {
  const free = Array.from({ length: count }, (_, i) => count - i);
  return {
    count,
    get free() {
      return free.length;
    },
    take(tokens) {
      const wanted = pagesFor(tokens);
      return wanted <= free.length ? free.splice(free.length - wanted) : undefined;
    },
    give(pages) {
      invariant(
        !pages.some((page) => page === SPARE_PAGE || free.includes(page)),
        'a page is given back twice',
      );
      free.push(...pages);
    },
  };
}
