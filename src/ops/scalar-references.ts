import { activationReference, erf } from './activation.ts';
import type { ScalarFunction } from './scalar-functions.ts';

/** The exact values of the functions that an `elementwise` expression may call, in f64. */
export const scalarReferences: Readonly<Record<ScalarFunction, (...args: readonly number[]) => number>> = {
  ...activationReference,
  add: binary((a, b) => a + b),
  sub: binary((a, b) => a - b),
  mul: binary((a, b) => a * b),
  div: binary((a, b) => a / b),
  min: binary(Math.min),
  max: binary(Math.max),
  equal: binary((a, b) => Number(a === b)),
  where: (condition = 0, a = Number.NaN, b = Number.NaN) => (condition === 0 ? b : a),
  neg: unary((x) => -x),
  abs: unary(Math.abs),
  square: unary((x) => x * x),
  sqrt: unary(Math.sqrt),
  rsqrt: unary((x) => 1 / Math.sqrt(x)),
  exp: unary(Math.exp),
  log: unary(Math.log),
  erf: unary(erf),
  tanh: unary(Math.tanh),
  sigmoid: unary((x) => 1 / (1 + Math.exp(-x))),
  // Both in the form whose exp never overflows.
  logSigmoid: unary((x) => Math.min(x, 0) - Math.log1p(Math.exp(-Math.abs(x)))),
  softplus: unary((x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)))),
};

function binary(reference: (a: number, b: number) => number) {
  return (a = Number.NaN, b = Number.NaN): number => reference(a, b);
}

function unary(reference: (x: number) => number) {
  return (x = Number.NaN): number => reference(x);
}
