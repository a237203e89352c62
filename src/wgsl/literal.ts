import { invariant } from '../core/errors.ts';

/** A finite number as a WGSL f32 literal: `0.5`, `2.0`, `1e-6`; negative ones in parentheses. */
export function f32Literal(value: number): string {
  invariant(Number.isFinite(Math.fround(value)), `${value} is no finite f32, and WGSL has no literal for it`);
  const text = String(Math.fround(value) === value ? value : shortest(value));
  const literal = /[.e]/.test(text) ? text : `${text}.0`;
  return value < 0 ? `(${literal})` : literal;
}

/** Fewest digits that give the same f32. */
function shortest(value: number): number {
  for (let digits = 1; digits < 17; digits++) {
    const rounded = Number(value.toPrecision(digits));
    if (Math.fround(rounded) === Math.fround(value)) return rounded;
  }
  return value;
}
