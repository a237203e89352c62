import type { Example } from './task.ts';

/** Examples by number, each drawn when it is first asked for: drawing takes longer than a step of a small model. */
export function drawnOnce(draw: (index: number) => Example): (index: number) => Example {
  const drawn = new Map<number, Example>();
  return (index) => {
    const example = drawn.get(index) ?? draw(index);
    drawn.set(index, example);
    return example;
  };
}
