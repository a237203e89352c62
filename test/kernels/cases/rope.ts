import type { OpCase } from '../op-case.ts';

function ropeCase(
  label: string,
  [batch, tokens, heads, headDim]: readonly [number, number, number, number],
  rotaryDim: number,
  interleaved: boolean,
): OpCase {
  const tableRows = 29;
  const half = rotaryDim / 2;
  const angle = (i: number) => Math.floor(i / half) / 100 ** ((i % half) / half);
  return {
    label,
    attrs: { interleaved },
    inputs: {
      x: { dtype: 'float', shape: [batch, tokens, heads, headDim] },
      cos: { dtype: 'f32', shape: [tableRows, half], values: (i) => Math.cos(angle(i)) },
      sin: { dtype: 'f32', shape: [tableRows, half], values: (i) => Math.sin(angle(i)) },
      positions: { dtype: 'u32', shape: [batch, tokens], values: (i) => (i * 5 + 1) % tableRows },
    },
  };
}

export const ropeCases: readonly OpCase[] = [
  ropeCase('one pair', [1, 1, 1, 2], 2, false),
  ropeCase('halves', [2, 5, 3, 16], 16, false),
  ropeCase('pairs', [2, 5, 3, 16], 16, true),
  ropeCase('halves of a part of the head', [1, 7, 2, 20], 12, false),
  ropeCase('pairs of a part of the head', [1, 7, 2, 21], 6, true),
];
