import { describe, expect, it } from 'vitest';
import { ShapeError } from '../../src/core/errors.ts';
import { Graph } from '../../src/graph/graph.ts';
import { linear as linearOf } from '../../src/graph/linear.ts';
import { linear, linearReference } from '../../src/ops/linear.ts';
import type { ReferenceTensor } from '../../src/ops/op.ts';
import { readGoldenTensors } from '../read-golden.ts';

const tensor = (shape: readonly number[], data: ArrayLike<number>): ReferenceTensor => ({
  dtype: 'f32',
  shape,
  data: Float64Array.from(data),
});

describe('linear', () => {
  const x = tensor([2, 3], [1, 2, 3, -1, 0, 1]);
  const weight = tensor([2, 3], [1, 0, 2, -3, 1, 1]);

  it('is x times the transposed weight', () => {
    expect(linearReference({ x, weight }, { activation: null }).y).toEqual(Float64Array.of(7, 2, 1, 4));
  });

  it('adds the bias before the activation and the residual after it', () => {
    const bias = tensor([2], [-8, 0.5]);
    const residual = tensor([2, 2], [10, 20, 30, 40]);
    expect(linearReference({ x, weight, bias, residual }, { activation: 'relu' }).y).toEqual(
      Float64Array.of(10, 22.5, 30, 44.5),
    );
  });

  it('agrees with the golden', () => {
    const golden = readGoldenTensors('ops/reference.safetensors');
    const read = (name: string): ReferenceTensor => {
      const { shape, data } = golden(`linear.0.${name}`);
      return tensor(shape, data);
    };
    const inputs = { x: read('x'), weight: read('weight'), bias: read('bias') };
    const expected = read('out');
    expect(linear.infer(inputs, { activation: null }, 'linear').y?.shape).toEqual(expected.shape);
    const y = linearReference(inputs, { activation: null }).y ?? [];
    expect(y).toHaveLength(expected.data.length);
    expect(Math.max(...expected.data.map((value, i) => Math.abs(value - (y[i] ?? Number.NaN))))).toBeLessThan(
      2e-5,
    );
  });

  it('names the place, the weight and both sizes where they do not fit', () => {
    const graph = new Graph();
    const hidden = graph.input('hiddenStates', [1, 197, 768], 'f32');
    const fc1 = graph.weight('layers.3.mlp.fc1.weight', [4096, 1024], 'f32');
    expect(() => graph.scope('model.layers.3.mlp', () => linearOf(hidden, fc1))).toThrow(
      new ShapeError(
        'linear "model.layers.3.mlp": x has 768 features ([1, 197, 768]) but weight "layers.3.mlp.fc1.weight" ' +
          'takes 1024 ([4096, 1024]); expected weight as [out, in].',
      ),
    );
  });

  it('refuses a bias or residual of another shape, and integers', () => {
    const graph = new Graph();
    const input = graph.input('x', [2, 3], 'f32');
    const w = graph.weight('w', [4, 3], 'f32');
    expect(() => linearOf(input, w, { bias: graph.weight('b', [3], 'f32') })).toThrow(
      'linear: bias is [3]; expected [4].',
    );
    expect(() => linearOf(input, w, { residual: graph.input('r', [1, 4], 'f32') })).toThrow(
      'linear: residual is [1, 4]; expected [2, 4].',
    );
    expect(() => linearOf(graph.input('ids', [2, 3], 'u32'), w)).toThrow(
      'linear: x is u32; expected f32 or f16.',
    );
  });
});
