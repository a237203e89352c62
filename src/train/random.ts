import { pcg4d } from '../core/pcg4d.ts';

/** Numbers that depend on a seed and the name of their use alone, so that a run may stop and go on at any step. */
export interface Random {
  /** Uniform in [0, 1). */
  next(): number;
  /** Uniform in [low, high). */
  between(low: number, high: number): number;
  /** Uniform among 0 to count - 1. */
  integer(count: number): number;
}

/** A stream of numbers for a use (step, picture, ...) told by two integers. */
export function createRandom(seed: number, use: number, index: number): Random {
  let counter = 0;
  const next = (): number => pcg4d(seed, use, index, counter++) / 2 ** 32;
  return {
    next,
    between: (low, high) => low + (high - low) * next(),
    integer: (count) => Math.floor(next() * count),
  };
}

/** `count` different ones of `items` in random order: the beginning of a Fisher-Yates shuffle. */
export function pickDistinct<T>(items: readonly T[], count: number, random: Random): T[] {
  const pool = [...items];
  const picked: T[] = [];
  for (let i = 0; i < Math.min(count, items.length); i++) {
    const at = i + random.integer(pool.length - i);
    const chosen = pool[at] as T;
    pool[at] = pool[i] as T;
    picked.push(chosen);
  }
  return picked;
}
