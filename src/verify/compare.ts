import type { StageResult } from './stage-result.ts';

type Where = Pick<StageResult, 'run' | 'stage' | 'shape'>;

/** Values against the reference's; a missing or extra value, or a NaN, fails whatever the tolerance. */
export function compareValues(
  where: Where,
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  tolerance: number,
  note?: string,
): StageResult {
  let maxAbsError = 0;
  let sumOfSquares = 0;
  let sound = actual.length === expected.length;
  for (let i = 0; i < expected.length; i++) {
    const difference = Math.abs((actual[i] ?? Number.NaN) - (expected[i] ?? Number.NaN));
    if (Number.isNaN(difference)) sound = false;
    else maxAbsError = Math.max(maxAbsError, difference);
    sumOfSquares += (expected[i] ?? 0) ** 2;
  }
  const rms = Math.sqrt(sumOfSquares / Math.max(expected.length, 1));
  const relativeError = rms > 0 ? maxAbsError / rms : maxAbsError;
  const problem = sound ? note : `${actual.length} values for ${expected.length}, or NaN among them`;
  return {
    ...where,
    ok: sound && relativeError <= tolerance,
    maxAbsError,
    relativeError,
    tolerance,
    ...(problem === undefined ? {} : { note: problem }),
  };
}

/** Ids against the reference's: all must be equal. */
export function compareIds(
  where: Where,
  actual: readonly number[],
  expected: readonly number[],
  note?: string,
): StageResult {
  const differs = expected.findIndex((id, i) => id !== actual[i]);
  const firstDivergence = differs >= 0 ? differs : actual.length === expected.length ? null : expected.length;
  const wrong = expected.filter((id, i) => id !== actual[i]).length;
  return {
    ...where,
    ok: firstDivergence === null,
    maxAbsError: wrong,
    relativeError: wrong / Math.max(expected.length, 1),
    tolerance: 0,
    tokens: { equal: firstDivergence ?? expected.length, total: expected.length, firstDivergence },
    ...(note === undefined ? {} : { note }),
  };
}
