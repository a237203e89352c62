import { ACTIVATIONS, type Activation, activationReference, erf } from './activation.ts';

/** A function of numbers: its exact value in f64 and the WGSL expression of it over f32 operands. */
export interface ScalarFunctionSpec {
  readonly arity: number;
  reference(...args: readonly number[]): number;
  /** Operands are names or literals, so a text may repeat them. */
  wgsl(...args: readonly string[]): string;
}

const binary = (
  reference: (a: number, b: number) => number,
  wgsl: (a: string, b: string) => string,
): ScalarFunctionSpec => ({
  arity: 2,
  reference: (a = Number.NaN, b = Number.NaN) => reference(a, b),
  wgsl: (a = '', b = '') => wgsl(a, b),
});

const unary = (reference: (x: number) => number, wgsl: (x: string) => string): ScalarFunctionSpec => ({
  arity: 1,
  reference: (x = Number.NaN) => reference(x),
  wgsl: (x = '') => wgsl(x),
});

const activations = Object.fromEntries(
  ACTIVATIONS.map((name) => [name, unary(activationReference[name], (x) => `${name}(${x})`)]),
) as Readonly<Record<Activation, ScalarFunctionSpec>>;

/** Every function an `elementwise` expression may call; activations call the snippets of wgsl/activation.ts. */
const SCALAR_FUNCTIONS = {
  add: binary(
    (a, b) => a + b,
    (a, b) => `${a} + ${b}`,
  ),
  sub: binary(
    (a, b) => a - b,
    (a, b) => `${a} - ${b}`,
  ),
  mul: binary(
    (a, b) => a * b,
    (a, b) => `${a} * ${b}`,
  ),
  div: binary(
    (a, b) => a / b,
    (a, b) => `${a} / ${b}`,
  ),
  min: binary(Math.min, (a, b) => `min(${a}, ${b})`),
  max: binary(Math.max, (a, b) => `max(${a}, ${b})`),
  /** 1 or 0. */
  equal: binary(
    (a, b) => Number(a === b),
    (a, b) => `select(0.0, 1.0, ${a} == ${b})`,
  ),
  /** `condition` is true where it is not zero. */
  where: {
    arity: 3,
    reference: (condition = 0, a = Number.NaN, b = Number.NaN) => (condition === 0 ? b : a),
    wgsl: (condition, a, b) => `select(${b}, ${a}, ${condition} != 0.0)`,
  },
  neg: unary(
    (x) => -x,
    (x) => `-(${x})`,
  ),
  abs: unary(Math.abs, (x) => `abs(${x})`),
  square: unary(
    (x) => x * x,
    (x) => `${x} * ${x}`,
  ),
  sqrt: unary(Math.sqrt, (x) => `sqrt(${x})`),
  rsqrt: unary(
    (x) => 1 / Math.sqrt(x),
    (x) => `inverseSqrt(${x})`,
  ),
  exp: unary(Math.exp, (x) => `exp(${x})`),
  log: unary(Math.log, (x) => `log(${x})`),
  erf: unary(erf, (x) => `erf(${x})`),
  // Clamped: tanh of a large argument overflows to NaN on some drivers.
  tanh: unary(Math.tanh, (x) => `tanh(clamp(${x}, -15.0, 15.0))`),
  sigmoid: unary(
    (x) => 1 / (1 + Math.exp(-x)),
    (x) => `1.0 / (1.0 + exp(-(${x})))`,
  ),
  // Both in the form whose exp never overflows.
  logSigmoid: unary(
    (x) => Math.min(x, 0) - Math.log1p(Math.exp(-Math.abs(x))),
    (x) => `min(${x}, 0.0) - log(1.0 + exp(-abs(${x})))`,
  ),
  softplus: unary(
    (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x))),
    (x) => `max(${x}, 0.0) + log(1.0 + exp(-abs(${x})))`,
  ),
  ...activations,
} as const satisfies Readonly<Record<string, ScalarFunctionSpec>>;

export type ScalarFunction = keyof typeof SCALAR_FUNCTIONS;

export const functionSpec = (name: ScalarFunction): ScalarFunctionSpec => SCALAR_FUNCTIONS[name];
