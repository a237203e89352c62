import { isFloat } from '../core/dtype.ts';
import { invariant, ShapeError } from '../core/errors.ts';
import { broadcastShapes, elementCount, formatShape, type Shape } from '../core/shape.ts';
import { broadcastIndex } from './broadcast-index.ts';
import { defineOp, type Named, type Reference, required, type TensorType } from './op.ts';
import { functionSpec, type ScalarFunction } from './scalar-functions.ts';
import { scalarReferences } from './scalar-references.ts';

/** Inputs of one expression: with the output they stay within the 8 storage buffers every adapter binds. */
export const EXPRESSION_INPUTS = ['x0', 'x1', 'x2', 'x3', 'x4', 'x5'] as const;

/** One value of an expression; `args` are indices of earlier steps. */
export type ExpressionStep =
  | { readonly input: string }
  | { readonly constant: number }
  | { readonly fn: ScalarFunction; readonly args: readonly number[] };

/** Steps in single-assignment form: each refers to earlier ones only, and the last is the result. */
export type Expression = readonly ExpressionStep[];

export type ElementwiseAttrs = { readonly expression: Expression };

/** An expression with what its inputs stand for. */
export interface BoundExpression<T> {
  readonly expression: Expression;
  readonly inputs: Named<T>;
}

/**
 * y[i] = expression(x0[i], x1[i], ...), inputs broadcast as in NumPy.
 * x0..x5 of any dtype, at least one of them float → y f32, or f16 where every float input is f16.
 * Computes in f32. Integers are exact below 2^24.
 */
export const elementwise = defineOp<ElementwiseAttrs>({
  name: 'elementwise',
  inputs: ['x0', 'x1?', 'x2?', 'x3?', 'x4?', 'x5?'],
  infer(inputs, { expression }, where) {
    checkExpression(expression, inputs);
    const types = Object.values(inputs);
    const floats = types.filter((type) => isFloat(type.dtype));
    if (floats.length === 0) {
      throw new ShapeError(
        `${where}: inputs are ${types.map((t) => `${t.dtype} ${formatShape(t.shape)}`).join(', ')}; ` +
          'expected at least one float tensor. Cast one first.',
      );
    }
    const shape = types.reduce<Shape>((shape, type) => broadcastShapes(shape, type.shape, where), []);
    const y: TensorType = { dtype: floats.every((type) => type.dtype === 'f16') ? 'f16' : 'f32', shape };
    return { y };
  },
});

export const elementwiseReference: Reference<ElementwiseAttrs> = (inputs, { expression }) => {
  const shape = Object.values(inputs).reduce<Shape>(
    (shape, x) => broadcastShapes(shape, x.shape, 'elementwise'),
    [],
  );
  const y = new Float64Array(elementCount(shape));
  const readers = Object.fromEntries(
    Object.entries(inputs).map(([name, x]) => {
      const index = broadcastIndex(x.shape, shape);
      return [name, (i: number) => x.data[index(i)] ?? Number.NaN];
    }),
  );
  for (let i = 0; i < y.length; i++) {
    y[i] = evaluate(expression, (name) => required(readers, name, 'elementwise')(i));
  }
  return { y };
};

function evaluate(expression: Expression, read: (name: string) => number): number {
  const values: number[] = [];
  for (const step of expression) {
    if ('input' in step) values.push(read(step.input));
    else if ('constant' in step) values.push(step.constant);
    else values.push(scalarReferences[step.fn](...step.args.map((at) => values[at] ?? Number.NaN)));
  }
  return values.at(-1) ?? Number.NaN;
}

function checkExpression(expression: Expression, inputs: Named<TensorType>): void {
  invariant(expression.length > 0, 'an elementwise expression has no steps');
  expression.forEach((step, i) => {
    if ('input' in step) {
      invariant(step.input in inputs, `step ${i} of an expression reads absent input "${step.input}"`);
    } else if ('constant' in step) {
      // WGSL has no literal for infinities, and an f32 holds no more than this.
      invariant(
        Math.abs(step.constant) <= 3.4028234663852886e38,
        `constant ${step.constant} of an expression is no finite f32`,
      );
    } else {
      const { arity } = functionSpec(step.fn);
      invariant(
        step.args.length === arity && step.args.every((at) => at >= 0 && at < i),
        `step ${i} of an expression, ${step.fn}(${step.args.join(', ')}), needs ${arity} earlier steps`,
      );
    }
  });
}

/**
 * `consumer` with its input `argName` replaced by the expression that makes it; inputs of both that are the same
 * object are bound once. Undefined where more than six distinct inputs would remain.
 */
export function fuseExpressions<T>(
  consumer: BoundExpression<T>,
  argName: string,
  producer: BoundExpression<T>,
): BoundExpression<T> | undefined {
  const sources: T[] = [];
  const steps: ExpressionStep[] = [];
  const stepOfSource = new Map<T, number>();

  const readInput = (source: T): number => {
    const known = stepOfSource.get(source);
    if (known !== undefined) return known;
    stepOfSource.set(source, steps.length);
    steps.push({ input: `x${sources.length}` });
    sources.push(source);
    return steps.length - 1;
  };
  const append = (bound: BoundExpression<T>, replaced: (name: string) => number | undefined): number => {
    const moved: number[] = [];
    for (const step of bound.expression) {
      if ('input' in step) {
        moved.push(
          replaced(step.input) ?? readInput(required(bound.inputs, step.input, 'elementwise fusion')),
        );
      } else {
        if ('fn' in step) steps.push({ fn: step.fn, args: step.args.map((at) => moved[at] ?? -1) });
        else steps.push(step);
        moved.push(steps.length - 1);
      }
    }
    return moved.at(-1) ?? -1;
  };

  const produced = append(producer, () => undefined);
  const result = append(consumer, (name) => (name === argName ? produced : undefined));
  // The result must be the last step; it is not where the consumer only hands an input through.
  if (result !== steps.length - 1) return undefined;
  if (sources.length > EXPRESSION_INPUTS.length) return undefined;
  return {
    expression: steps,
    inputs: Object.fromEntries(sources.map((source, i) => [`x${i}`, source])),
  };
}
