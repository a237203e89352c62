import type { Activation } from '../ops/activation.ts';
import { type Expression, type ExpressionStep, elementwise } from '../ops/elementwise.ts';
import type { ScalarFunction } from '../ops/scalar-functions.ts';
import { applyOne } from './apply.ts';
import type { Tensor } from './tensor.ts';

// Elementwise functions of tensors. Shapes broadcast as in NumPy; the result is f32, or f16 where every float
// operand is f16. Chains of them become one kernel when the graph is compiled.

/** a + b. */
export const add = (a: Tensor, b: Tensor): Tensor => call('add', a, b);

/** a - b. */
export const sub = (a: Tensor, b: Tensor): Tensor => call('sub', a, b);

/** a * b. */
export const mul = (a: Tensor, b: Tensor): Tensor => call('mul', a, b);

/** a / b. */
export const div = (a: Tensor, b: Tensor): Tensor => call('div', a, b);

/** Smaller of a and b. */
export const min = (a: Tensor, b: Tensor): Tensor => call('min', a, b);

/** Larger of a and b. */
export const max = (a: Tensor, b: Tensor): Tensor => call('max', a, b);

/** 1 where a is b, 0 elsewhere. */
export const equal = (a: Tensor, b: Tensor | number): Tensor => call('equal', a, b);

/** a where `condition` is not zero, b elsewhere. */
export const where = (condition: Tensor, a: Tensor | number, b: Tensor | number): Tensor =>
  call('where', condition, a, b);

/** x * factor. */
export const scale = (x: Tensor, factor: number): Tensor => call('mul', x, factor);

/** -x. */
export const neg = (x: Tensor): Tensor => call('neg', x);

/** |x|. */
export const abs = (x: Tensor): Tensor => call('abs', x);

/** x². */
export const square = (x: Tensor): Tensor => call('square', x);

/** √x. */
export const sqrt = (x: Tensor): Tensor => call('sqrt', x);

/** 1 / √x. */
export const rsqrt = (x: Tensor): Tensor => call('rsqrt', x);

/** eˣ. */
export const exp = (x: Tensor): Tensor => call('exp', x);

/** Natural logarithm. */
export const log = (x: Tensor): Tensor => call('log', x);

/** Hyperbolic tangent. */
export const tanh = (x: Tensor): Tensor => call('tanh', x);

/** 1 / (1 + e⁻ˣ). */
export const sigmoid = (x: Tensor): Tensor => call('sigmoid', x);

/** log(sigmoid(x)), without overflow for any x. */
export const logSigmoid = (x: Tensor): Tensor => call('logSigmoid', x);

/** log(1 + eˣ), without overflow for any x. */
export const softplus = (x: Tensor): Tensor => call('softplus', x);

/** The activation function a checkpoint names in `hidden_act`. */
export const activation = (x: Tensor, name: Activation): Tensor => call(name, x);

/** cap * tanh(x / cap): Gemma 2's bound on logits. */
export const softcap = (x: Tensor, cap: number): Tensor =>
  applyOne(
    elementwise,
    { x0: x },
    {
      expression: [
        { input: 'x0' },
        { constant: cap },
        { fn: 'div', args: [0, 1] },
        { fn: 'tanh', args: [2] },
        { fn: 'mul', args: [3, 1] },
      ],
    },
  );

/** One scalar function of tensors and numbers; a tensor given twice is bound once. */
function call(fn: ScalarFunction, ...operands: readonly (Tensor | number)[]): Tensor {
  const tensors = [...new Set(operands.filter((operand) => typeof operand !== 'number'))];
  const steps = operands.map(
    (operand): ExpressionStep =>
      typeof operand === 'number' ? { constant: operand } : { input: `x${tensors.indexOf(operand)}` },
  );
  const expression: Expression = [...steps, { fn, args: operands.map((_, i) => i) }];
  const inputs = Object.fromEntries(tensors.map((tensor, i) => [`x${i}`, tensor]));
  return applyOne(elementwise, inputs, { expression });
}
