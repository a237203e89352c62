import { describe, expect, it } from 'vitest';
import { matmul, matmulReference } from '../../src/ops/matmul.ts';
import type { ReferenceTensor } from '../../src/ops/op.ts';
import { readGoldenTensors } from '../read-golden.ts';

const golden = readGoldenTensors('ops/reference.safetensors');

const read = (name: string): ReferenceTensor => {
  const { shape, data } = golden(name);
  return { dtype: 'f32', shape, data: Float64Array.from(data) };
};

const zeros = (...shape: number[]): ReferenceTensor => ({
  dtype: 'f32',
  shape,
  data: new Float64Array(shape.reduce((product, size) => product * size, 1)),
});

const shapeOf = (a: ReferenceTensor, b: ReferenceTensor) => matmul.infer({ a, b }, {}, 'matmul').y?.shape;

describe('matmul', () => {
  it.each([
    'matmul.0',
    'matmul.1',
    'matmul.2',
    'matmul.3',
    'matmul.4',
    'matmul_batched.0',
    'matmul_broadcast.0',
  ])('agrees with the golden %s', (name) => {
    const inputs = { a: read(`${name}.a`), b: read(`${name}.b`) };
    const expected = read(`${name}.out`);
    expect(shapeOf(inputs.a, inputs.b)).toEqual(expected.shape);
    const y = matmulReference(inputs, {}).y ?? [];
    expect(y).toHaveLength(expected.data.length);
    expect(Math.max(...expected.data.map((value, i) => Math.abs(value - (y[i] ?? Number.NaN))))).toBeLessThan(
      2e-5,
    );
  });

  it('broadcasts batch axes from the right, either way', () => {
    const a: ReferenceTensor = { dtype: 'f32', shape: [2, 1, 1, 2], data: Float64Array.of(1, 2, 3, 4) };
    const b: ReferenceTensor = { dtype: 'f32', shape: [3, 2, 1], data: Float64Array.of(1, 0, 0, 1, 10, 100) };
    expect(shapeOf(a, b)).toEqual([2, 3, 1, 1]);
    expect(matmulReference({ a, b }, {}).y).toEqual(Float64Array.of(1, 2, 210, 3, 4, 430));
  });

  it('says which sizes differ', () => {
    expect(() => shapeOf(zeros(1, 576, 1024), zeros(2048, 768))).toThrow(
      'matmul: a is [1, 576, 1024], b is [2048, 768]; inner sizes 1024 and 2048 differ. Expected a [..., M, K] and b [..., K, N].',
    );
    expect(() => shapeOf(zeros(2, 3, 4), zeros(3, 4, 5))).toThrow('do not broadcast');
    expect(() => shapeOf(zeros(3), zeros(3, 4))).toThrow('expected float tensors of rank 2 or more');
  });
});
