import { expect, test } from 'vitest';
import { ShapeError } from '../../src/core/errors.ts';
import { crossEntropy } from '../../src/graph/cross-entropy.ts';
import { Graph } from '../../src/graph/graph.ts';
import { interpret } from '../../src/graph/interpret.ts';
import { groupNorm } from '../../src/graph/norm-2d.ts';
import { pixelShuffle } from '../../src/graph/pixel-shuffle.ts';

// Values of these are compared with the golden in test/ops; here is what it lacks.

test('groupNorm refuses groups that do not divide the channels', () => {
  const graph = new Graph();
  const x = graph.input('x', [1, 12, 2, 2], 'f32');
  const weight = graph.input('weight', [12], 'f32');
  expect(() => groupNorm(x, weight, weight, 5, 1e-5)).toThrow(ShapeError);
  expect(groupNorm(x, weight, weight, 4, 1e-5).shape).toEqual([1, 12, 2, 2]);
});

test.each([
  [15, 2, 'no square'],
  [9, 2, 'a root that the factor does not divide'],
])('pixelShuffle refuses %i patches by %i: %s', (patches, factor) => {
  const x = new Graph().input('x', [1, patches, 3], 'f32');
  expect(() => pixelShuffle(x, factor)).toThrow(ShapeError);
});

const lossOf = (labels: readonly number[]) => {
  const graph = new Graph();
  const logits = graph.input('logits', [2, 2], 'f32');
  graph.output('loss', crossEntropy(logits, graph.input('labels', [2], 'i32')));
  return interpret(graph, { logits: [0, 1, 5, -5], labels }).outputs.get('loss')?.[0];
};

test('crossEntropy is the mean over the rows that count', () => {
  expect(lossOf([1, -100])).toBeCloseTo(Math.log(1 + Math.E) - 1, 12);
  expect(lossOf([-100, -100])).toBeNaN();
});
