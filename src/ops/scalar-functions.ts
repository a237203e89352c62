import { ACTIVATIONS, type Activation } from './activation.ts';

/** A function of numbers: the WGSL expression of it over f32 operands. Its exact value is in scalar-references.ts. */
export interface ScalarFunctionSpec {
  readonly arity: number;
  /** Operands are names or literals, so a text may repeat them. */
  wgsl(...args: readonly string[]): string;
}

const binary = (wgsl: (a: string, b: string) => string): ScalarFunctionSpec => ({
  arity: 2,
  wgsl: (a = '', b = '') => wgsl(a, b),
});

const unary = (wgsl: (x: string) => string): ScalarFunctionSpec => ({
  arity: 1,
  wgsl: (x = '') => wgsl(x),
});

const activations = Object.fromEntries(
  ACTIVATIONS.map((name) => [name, unary((x) => `${name}(${x})`)]),
) as Readonly<Record<Activation, ScalarFunctionSpec>>;

/** Every function an `elementwise` expression may call; activations call the snippets of wgsl/activation.ts. */
const SCALAR_FUNCTIONS = {
  add: binary((a, b) => `${a} + ${b}`),
  sub: binary((a, b) => `${a} - ${b}`),
  mul: binary((a, b) => `${a} * ${b}`),
  div: binary((a, b) => `${a} / ${b}`),
  min: binary((a, b) => `min(${a}, ${b})`),
  max: binary((a, b) => `max(${a}, ${b})`),
  /** 1 or 0. */
  equal: binary((a, b) => `select(0.0, 1.0, ${a} == ${b})`),
  /** `condition` is true where it is not zero. */
  where: {
    arity: 3,
    wgsl: (condition, a, b) => `select(${b}, ${a}, ${condition} != 0.0)`,
  },
  neg: unary((x) => `-(${x})`),
  abs: unary((x) => `abs(${x})`),
  square: unary((x) => `${x} * ${x}`),
  sqrt: unary((x) => `sqrt(${x})`),
  rsqrt: unary((x) => `inverseSqrt(${x})`),
  exp: unary((x) => `exp(${x})`),
  log: unary((x) => `log(${x})`),
  erf: unary((x) => `erf(${x})`),
  // Clamped: tanh of a large argument overflows to NaN on some drivers.
  tanh: unary((x) => `tanh(clamp(${x}, -15.0, 15.0))`),
  sigmoid: unary((x) => `1.0 / (1.0 + exp(-(${x})))`),
  // Both in the form whose exp never overflows.
  logSigmoid: unary((x) => `min(${x}, 0.0) - log(1.0 + exp(-abs(${x})))`),
  softplus: unary((x) => `max(${x}, 0.0) + log(1.0 + exp(-abs(${x})))`),
  ...activations,
} as const satisfies Readonly<Record<string, ScalarFunctionSpec>>;

export type ScalarFunction = keyof typeof SCALAR_FUNCTIONS;

export const functionSpec = (name: ScalarFunction): ScalarFunctionSpec => SCALAR_FUNCTIONS[name];
