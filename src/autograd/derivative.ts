import { invariant } from '../core/errors.ts';
import type { Expression, ExpressionStep } from '../ops/elementwise.ts';
import type { ScalarFunction } from '../ops/scalar-functions.ts';

/** Writes steps of an expression; values are known by the number of their step. */
interface Writer {
  readonly steps: ExpressionStep[];
  constant(value: number): number;
  call(fn: ScalarFunction, ...args: readonly number[]): number;
}

/** One partial derivative of a function, from its arguments and its value. */
type Partial = (w: Writer, args: readonly number[], value: number) => number;

/**
 * `seed` times the derivative of `expression` with respect to input `name`: reverse mode over its steps. The inputs of
 * the expression are those of the derivative too, and `seed` is one more.
 */
export function derivative(expression: Expression, name: string, seed: string): Expression {
  const steps: ExpressionStep[] = [...expression];
  const push = (step: ExpressionStep): number => steps.push(step) - 1;
  const w: Writer = {
    steps,
    constant: (value) => push({ constant: value }),
    call: (fn, ...args) => push({ fn, args }),
  };
  const adjoints = new Map<number, number>([[expression.length - 1, push({ input: seed })]]);
  const addTo = (step: number, amount: number): void => {
    const known = adjoints.get(step);
    adjoints.set(step, known === undefined ? amount : w.call('add', known, amount));
  };
  for (let at = expression.length - 1; at >= 0; at--) {
    const step = expression[at];
    const adjoint = adjoints.get(at);
    if (adjoint === undefined || !step || !('fn' in step)) continue;
    PARTIALS[step.fn].forEach((partial, i) => {
      const arg = step.args[i];
      invariant(arg !== undefined, `${step.fn} has no argument ${i}`);
      // Constants, and what no derivative is asked of, need none.
      if (partial && dependsOn(expression, arg, name))
        addTo(arg, w.call('mul', adjoint, partial(w, step.args, at)));
    });
  }
  const parts = expression.flatMap((step, at) =>
    'input' in step && step.input === name ? [adjoints.get(at) ?? w.constant(0)] : [],
  );
  const [first = w.constant(0), ...rest] = parts;
  const total = rest.reduce((sum, part) => w.call('add', sum, part), first);
  // The result must be the last step.
  if (total !== steps.length - 1) w.call('mul', total, w.constant(1));
  return steps;
}

function dependsOn(expression: Expression, at: number, name: string): boolean {
  const step = expression[at];
  if (!step || 'constant' in step) return false;
  return 'input' in step ? step.input === name : step.args.some((arg) => dependsOn(expression, arg, name));
}

const arg = (args: readonly number[], i: number): number => {
  const at = args[i];
  invariant(at !== undefined, `an expression step has no argument ${i}`);
  return at;
};
const unary = (partial: (w: Writer, x: number, value: number) => number): readonly Partial[] => [
  (w, args, value) => partial(w, arg(args, 0), value),
];
const one: Partial = (w) => w.constant(1);
const zero = null;
const times = (w: Writer, factor: number, x: number): number => w.call('mul', w.constant(factor), x);
const oneMinus = (w: Writer, x: number): number => w.call('sub', w.constant(1), x);

/** The share of the gradient that goes to the chosen argument: all, or half of it where both are equal, as torch. */
const chosen =
  (i: number): Partial =>
  (w, args, value) => {
    const isChosen = w.call('equal', arg(args, i), value);
    const isTie = w.call('equal', arg(args, 0), arg(args, 1));
    return w.call('sub', isChosen, times(w, 0.5, isTie));
  };

/** s + k x s (1 - s), where s = sigmoid(k x): the derivative of x sigmoid(k x). */
function swishDerivative(w: Writer, k: number, x: number): number {
  const s = w.call('sigmoid', times(w, k, x));
  return w.call('add', s, w.call('mul', times(w, k, x), w.call('mul', s, oneMinus(w, s))));
}

/** Partial derivatives of every scalar function, one per argument; null where it is zero everywhere. */
const PARTIALS: Readonly<Record<ScalarFunction, readonly (Partial | null)[]>> = {
  add: [one, one],
  sub: [one, (w) => w.constant(-1)],
  mul: [(_w, args) => arg(args, 1), (_w, args) => arg(args, 0)],
  div: [
    (w, args) => w.call('div', w.constant(1), arg(args, 1)),
    (w, args, value) => w.call('neg', w.call('div', value, arg(args, 1))),
  ],
  min: [chosen(0), chosen(1)],
  max: [chosen(0), chosen(1)],
  equal: [zero, zero],
  where: [
    zero,
    (w, args) => w.call('where', arg(args, 0), w.constant(1), w.constant(0)),
    (w, args) => w.call('where', arg(args, 0), w.constant(0), w.constant(1)),
  ],
  neg: unary((w) => w.constant(-1)),
  // The sign, and 0 at 0.
  abs: unary((w, x, value) => w.call('where', x, w.call('div', x, value), w.constant(0))),
  square: unary((w, x) => times(w, 2, x)),
  sqrt: unary((w, _x, value) => w.call('div', w.constant(0.5), value)),
  rsqrt: unary((w, _x, value) => times(w, -0.5, w.call('mul', value, w.call('square', value)))),
  exp: unary((_w, _x, value) => value),
  log: unary((w, x) => w.call('div', w.constant(1), x)),
  erf: unary((w, x) => times(w, 2 / Math.sqrt(Math.PI), w.call('exp', w.call('neg', w.call('square', x))))),
  tanh: unary((w, _x, value) => oneMinus(w, w.call('square', value))),
  sigmoid: unary((w, _x, value) => w.call('mul', value, oneMinus(w, value))),
  logSigmoid: unary((w, x) => w.call('sigmoid', w.call('neg', x))),
  softplus: unary((w, x) => w.call('sigmoid', x)),
  // Φ(x) + x φ(x).
  gelu: unary((w, x) => {
    const cdf = times(w, 0.5, w.call('add', w.constant(1), w.call('erf', times(w, Math.SQRT1_2, x))));
    const density = w.call('exp', times(w, -0.5, w.call('square', x)));
    return w.call('add', cdf, times(w, 1 / Math.sqrt(2 * Math.PI), w.call('mul', x, density)));
  }),
  gelu_pytorch_tanh: unary((w, x) => {
    const [c, cubic] = [Math.sqrt(2 / Math.PI), 0.044715];
    const xx = w.call('square', x);
    const inner = times(w, c, w.call('mul', x, w.call('add', w.constant(1), times(w, cubic, xx))));
    const t = w.call('tanh', inner);
    const slope = times(w, c, w.call('add', w.constant(1), times(w, 3 * cubic, xx)));
    const bend = w.call('mul', w.call('mul', x, oneMinus(w, w.call('square', t))), slope);
    return times(w, 0.5, w.call('add', w.call('add', w.constant(1), t), bend));
  }),
  quick_gelu: unary((w, x) => swishDerivative(w, 1.702, x)),
  silu: unary((w, x) => swishDerivative(w, 1, x)),
  relu: unary((w, _x, value) => w.call('where', value, w.constant(1), w.constant(0))),
};
