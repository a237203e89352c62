import { invariant, UnsupportedError } from '../core/errors.ts';

/** Something that needs bytes from step `begin` to step `end`, both included. */
export interface Lifetime {
  readonly name: string;
  readonly byteLength: number;
  readonly begin: number;
  readonly end: number;
}

export interface Placement {
  readonly arena: number;
  readonly offset: number;
}

export interface MemoryPlan {
  /** One per lifetime, in the order given. */
  readonly placements: readonly Placement[];
  /** Bytes of each arena. */
  readonly arenas: readonly number[];
}

export interface MemoryLimits {
  /** Offsets are multiples of this. */
  readonly alignment: number;
  readonly maxArenaBytes: number;
}

/**
 * Packs lifetimes into few arenas: the largest first, each where it makes the arenas grow least, then into the
 * tightest gap ("greedy by size", Pisarchyk & Lee 2020, algorithm 3). Two that are alive at one step never overlap.
 * `apart(i, j)`: they may not share an arena at all, since WebGPU forbids one buffer to be read and written by one
 * dispatch. Throws UnsupportedError when a single lifetime is over an arena.
 */
export function planMemory(
  lifetimes: readonly Lifetime[],
  apart: (i: number, j: number) => boolean,
  limits: MemoryLimits,
): MemoryPlan {
  const arenas: { byteLength: number; members: number[] }[] = [];
  const placements = new Array<Placement>(lifetimes.length);
  const sizes = lifetimes.map(({ byteLength }) => alignUp(byteLength, limits.alignment));
  const order = lifetimes.map((_, i) => i).sort((a, b) => at(sizes, b) - at(sizes, a) || a - b);
  for (const i of order) {
    const size = at(sizes, i);
    const lifetime = at(lifetimes, i);
    if (size > limits.maxArenaBytes) {
      throw new UnsupportedError(
        `compile: intermediate "${lifetime.name}" takes ${size} bytes; expected at most ${limits.maxArenaBytes}, the largest buffer of this adapter. Use a shorter input or a smaller batch.`,
      );
    }
    let best = { arena: arenas.length, offset: 0, growth: size, slack: Number.POSITIVE_INFINITY };
    arenas.forEach((arena, a) => {
      if (arena.members.some((j) => apart(i, j))) return;
      const taken = arena.members
        .filter((j) => overlapsInTime(lifetime, at(lifetimes, j)))
        .map((j) => ({ begin: at(placements, j).offset, end: at(placements, j).offset + at(sizes, j) }));
      const { offset, slack } = tightestGap(taken, size, arena.byteLength);
      const growth = Math.max(0, offset + size - arena.byteLength);
      if (offset + size > limits.maxArenaBytes) return;
      if (growth < best.growth || (growth === best.growth && slack < best.slack))
        best = { arena: a, offset, growth, slack };
    });
    const arena = arenas[best.arena] ?? { byteLength: 0, members: [] };
    arenas[best.arena] = arena;
    arena.byteLength += best.growth;
    arena.members.push(i);
    placements[i] = { arena: best.arena, offset: best.offset };
  }
  return { placements, arenas: arenas.map(({ byteLength }) => byteLength) };
}

/** The smallest gap between taken ranges that holds `size`, else the end of the last one. */
function tightestGap(
  taken: readonly { readonly begin: number; readonly end: number }[],
  size: number,
  arenaBytes: number,
): { offset: number; slack: number } {
  let best: { offset: number; slack: number } | undefined;
  let cursor = 0;
  for (const { begin, end } of taken.toSorted((a, b) => a.begin - b.begin)) {
    const slack = begin - cursor - size;
    if (slack >= 0 && (!best || slack < best.slack)) best = { offset: cursor, slack };
    cursor = Math.max(cursor, end);
  }
  const tail = arenaBytes - cursor - size;
  if (tail >= 0 && (!best || tail < best.slack)) best = { offset: cursor, slack: tail };
  return best ?? { offset: cursor, slack: 0 };
}

const overlapsInTime = (a: Lifetime, b: Lifetime): boolean => a.begin <= b.end && b.begin <= a.end;

export const alignUp = (bytes: number, alignment: number): number => Math.ceil(bytes / alignment) * alignment;

function at<T>(list: readonly T[], index: number): T {
  const value = list[index];
  invariant(value !== undefined, `index ${index} of ${list.length} in the memory plan`);
  return value;
}
