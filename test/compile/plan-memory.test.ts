import { describe, expect, test } from 'vitest';
import { type Lifetime, planMemory } from '../../src/compile/plan-memory.ts';
import { UnsupportedError } from '../../src/core/errors.ts';
import { randomInteger, randomSource } from './random.ts';

const limits = { alignment: 256, maxArenaBytes: 2 ** 30 };
const never = () => false;
const lifetime = (byteLength: number, begin: number, end: number): Lifetime => ({
  name: `${begin}-${end}`,
  byteLength,
  begin,
  end,
});

/** Bytes that are alive at the busiest step: no plan can take less. */
function leastBytes(lifetimes: readonly Lifetime[]): number {
  const steps = Math.max(...lifetimes.map(({ end }) => end)) + 1;
  const alive = (step: number) => lifetimes.filter(({ begin, end }) => begin <= step && step <= end);
  const aligned = (bytes: number) => Math.ceil(bytes / limits.alignment) * limits.alignment;
  return Math.max(
    ...Array.from({ length: steps }, (_, step) =>
      alive(step).reduce((sum, { byteLength }) => sum + aligned(byteLength), 0),
    ),
  );
}

describe('planMemory', () => {
  test('no two live tensors overlap, and those apart share no arena', () => {
    let total = 0;
    let least = 0;
    let sum = 0;
    for (let seed = 1; seed <= 200; seed++) {
      const random = randomSource(seed);
      const lifetimes = Array.from({ length: randomInteger(random, 1, 40) }, () => {
        const begin = randomInteger(random, 0, 30);
        return lifetime(randomInteger(random, 1, 5000), begin, begin + randomInteger(random, 0, 6));
      });
      const pairs = new Set(
        lifetimes.flatMap((a, i) =>
          lifetimes.flatMap((b, j) => (i !== j && a.end === b.begin && random() < 0.5 ? [`${i},${j}`] : [])),
        ),
      );
      const apart = (i: number, j: number) => pairs.has(`${i},${j}`) || pairs.has(`${j},${i}`);
      const { placements, arenas } = planMemory(lifetimes, apart, limits);

      placements.forEach(({ arena, offset }, i) => {
        const { byteLength, begin, end } = lifetimes[i] as Lifetime;
        expect(offset % limits.alignment).toBe(0);
        expect(offset + byteLength).toBeLessThanOrEqual(arenas[arena] as number);
        const collisions = placements.slice(0, i).filter((other, j) => {
          if (other.arena !== arena) return false;
          const rival = lifetimes[j] as Lifetime;
          const inTime = rival.begin <= end && begin <= rival.end;
          const inSpace = other.offset < offset + byteLength && offset < other.offset + rival.byteLength;
          return apart(i, j) || (inTime && inSpace);
        });
        expect(collisions).toEqual([]);
      });
      total += arenas.reduce((a, b) => a + b, 0);
      least += leastBytes(lifetimes);
      sum += lifetimes.reduce((a, { byteLength }) => a + byteLength, 0);
    }
    expect(total / least).toBeLessThan(1.35);
    expect(total / sum).toBeLessThan(0.5);
  });

  test('a chain of equal tensors takes two places', () => {
    const chain = Array.from({ length: 10 }, (_, i) => lifetime(1000, i, i + 1));
    const { arenas } = planMemory(chain, (i, j) => Math.abs(i - j) === 1, limits);
    expect(arenas).toEqual([1024, 1024]);
  });

  test('arenas stay under the limit, and one tensor over it is refused by name', () => {
    const many = Array.from({ length: 5 }, () => lifetime(1024, 0, 1));
    const { arenas } = planMemory(many, never, { ...limits, maxArenaBytes: 2048 });
    expect(arenas).toEqual([2048, 2048, 1024]);
    const large = [lifetime(4096, 3, 4)];
    expect(() => planMemory(large, never, { ...limits, maxArenaBytes: 2048 })).toThrow(UnsupportedError);
    expect(() => planMemory(large, never, { ...limits, maxArenaBytes: 2048 })).toThrow(/"3-4" takes 4096/);
  });
});
