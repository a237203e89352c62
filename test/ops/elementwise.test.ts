import { describe, expect, test } from 'vitest';
import { ShapeError } from '../../src/core/errors.ts';
import {
  type BoundExpression,
  elementwise,
  elementwiseReference,
  fuseExpressions,
} from '../../src/ops/elementwise.ts';
import { f32Literal } from '../../src/wgsl/literal.ts';

const one = (data: readonly number[], shape: readonly number[] = [data.length]) => ({
  dtype: 'f32' as const,
  shape,
  data: Float64Array.from(data),
});

/** silu(a). */
const silu = (a: string): BoundExpression<string> => ({
  expression: [{ input: 'x0' }, { fn: 'silu', args: [0] }],
  inputs: { x0: a },
});

/** a * b. */
const product = (a: string, b: string): BoundExpression<string> => ({
  expression: [{ input: 'x0' }, { input: 'x1' }, { fn: 'mul', args: [0, 1] }],
  inputs: { x0: a, x1: b },
});

const sumOf = (names: readonly string[]): BoundExpression<string> => ({
  expression: [
    ...names.map((_, i) => ({ input: `x${i}` })),
    ...names.slice(1).map((_, i) => ({
      fn: 'add' as const,
      args: [i === 0 ? 0 : names.length + i - 1, i + 1],
    })),
  ],
  inputs: Object.fromEntries(names.map((name, i) => [`x${i}`, name])),
});

const resultOf = (
  { expression, inputs }: BoundExpression<string>,
  values: Record<string, number>,
): number => {
  const tensors = Object.entries(inputs).map(([x, name]) => [x, one([values[name] ?? Number.NaN])]);
  return elementwiseReference(Object.fromEntries(tensors), { expression }).y?.[0] ?? Number.NaN;
};

describe('fuseExpressions', () => {
  test('puts the producer in place of the input and keeps the value', () => {
    const fused = fuseExpressions(product('gateActive', 'up'), 'x0', silu('gate'));
    expect(Object.values(fused?.inputs ?? {})).toEqual(['gate', 'up']);
    const values = { gate: 1.5, up: -2 };
    expect(fused && resultOf(fused, values)).toBeCloseTo((-2 * 1.5) / (1 + Math.exp(-1.5)), 12);
  });

  test('binds an input that both read once, and an input read twice stays one', () => {
    const fused = fuseExpressions(product('y', 'gate'), 'x0', product('gate', 'gate'));
    expect(Object.values(fused?.inputs ?? {})).toEqual(['gate']);
    expect(fused && resultOf(fused, { gate: 3 })).toBe(27);
  });

  test('gives up beyond six inputs', () => {
    const consumer = sumOf(['p', 'b', 'c', 'd', 'e']);
    expect(fuseExpressions(consumer, 'x0', product('a', 'f'))?.inputs).toMatchObject({ x0: 'a', x5: 'e' });
    expect(fuseExpressions(sumOf(['p', 'b', 'c', 'd', 'e', 'g']), 'x0', product('a', 'f'))).toBeUndefined();
  });
});

describe('elementwise', () => {
  const expression = product('a', 'b').expression;

  test('is f16 only where every float input is', () => {
    const type = (dtype: 'f16' | 'f32' | 'i32', shape: number[]) => ({ dtype, shape });
    const infer = (a: 'f16' | 'f32' | 'i32', b: 'f16' | 'f32' | 'i32') =>
      elementwise.infer({ x0: type(a, [2, 1]), x1: type(b, [3]) }, { expression }, 'mul').y;
    expect(infer('f16', 'f16')).toEqual({ dtype: 'f16', shape: [2, 3] });
    expect(infer('f16', 'f32')).toEqual({ dtype: 'f32', shape: [2, 3] });
    expect(infer('f16', 'i32')).toEqual({ dtype: 'f16', shape: [2, 3] });
    expect(() => infer('i32', 'i32')).toThrow(ShapeError);
  });

  test('names both shapes that do not broadcast', () => {
    const inputs = { x0: one([1, 2]), x1: one([1, 2, 3]) };
    expect(() => elementwise.infer(inputs, { expression }, 'mul "mlp"')).toThrow(
      /^mul "mlp": \[2\] and \[3\] do not broadcast/,
    );
  });
});

test('f32Literal writes what reads back as the same f32', () => {
  expect(f32Literal(2)).toBe('2.0');
  expect(f32Literal(-0.5)).toBe('(-0.5)');
  expect(f32Literal(1e-6)).toBe('0.000001');
  expect(f32Literal(0.1)).toBe('0.1');
  for (const value of [Math.PI, 1e30, 1 / 3, 6e-39])
    expect(Math.fround(Number(f32Literal(value)))).toBe(Math.fround(value));
  expect(() => f32Literal(Number.POSITIVE_INFINITY)).toThrow(/no literal/);
});
