import { expect, test } from 'vitest';
import { InputError } from '../../src/core/errors.ts';
import { Graph } from '../../src/graph/graph.ts';
import { interpret } from '../../src/graph/interpret.ts';
import { linear } from '../../src/graph/linear.ts';
import { add } from '../../src/graph/math.ts';

function graphOfAll(): Graph {
  const graph = new Graph();
  const x = graph.input('x', [1, 2], 'f32');
  const y = linear(x, graph.weight('w', [2, 2], 'f32')).named('product');
  const sum = add(y, graph.constant('c', Float32Array.of(10, 20), [2]));
  graph.output('y', add(sum, graph.state('s', [1, 2], 'f32')));
  return graph;
}

test('computes outputs and named intermediates from inputs, weights, constants and states', () => {
  const values = { x: [1, 2], w: [1, 2, 3, 4] };
  const { outputs, named } = interpret(graphOfAll(), values);
  expect([...(named.get('product') ?? [])]).toEqual([5, 11]);
  expect([...(outputs.get('y') ?? [])]).toEqual([15, 31]);
  const withState = interpret(graphOfAll(), { ...values, s: [100, 200] });
  expect([...(withState.outputs.get('y') ?? [])]).toEqual([115, 231]);
});

test('refuses missing values and wrong lengths', () => {
  expect(() => interpret(graphOfAll(), { x: [1, 2] })).toThrow(InputError);
  expect(() => interpret(graphOfAll(), { x: [1], w: [1, 2, 3, 4] })).toThrow(
    /input "x" has 1 values; expected 2/,
  );
});
