import { type DType, isFloat, isPacked } from '../../src/core/dtype.ts';

/** Max absolute error over the RMS of the reference, by the dtype an output is stored in. */
export const TOLERANCE = { f32: 1e-4, f16: 1e-2 } as const;

/** Undefined where `actual` is right; otherwise where it is furthest off. Integers must be equal. */
export function differenceOf(
  actual: Float64Array,
  expected: Float64Array,
  dtype: DType,
  tolerance?: number,
): string | undefined {
  if (actual.length !== expected.length) return `${actual.length} values; expected ${expected.length}`;
  const stored = isPacked(dtype) ? 'f32' : dtype;
  const allowed = isFloat(stored) ? (tolerance ?? TOLERANCE[stored]) * rms(expected) : 0;
  let worst = -1;
  let worstError = allowed;
  actual.forEach((value, i) => {
    const wanted = expected[i] ?? Number.NaN;
    if (value === wanted) return;
    const error = Math.abs(value - wanted);
    // A NaN is worse than any number, so it must not win only by comparing false.
    if (error <= worstError) return;
    worst = i;
    worstError = Number.isNaN(error) ? Number.POSITIVE_INFINITY : error;
  });
  if (worst < 0) return undefined;
  return `[${worst}] is ${actual[worst]}; expected ${expected[worst]} within ${allowed.toExponential(1)}`;
}

function rms(values: Float64Array): number {
  const finite = values.filter(Number.isFinite);
  return Math.sqrt(finite.reduce((sum, v) => sum + v * v, 0) / Math.max(1, finite.length));
}
