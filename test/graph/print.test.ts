import { expect, test } from 'vitest';
import { Graph } from '../../src/graph/graph.ts';
import { linear } from '../../src/graph/linear.ts';
import { softcap } from '../../src/graph/math.ts';
import { reshape } from '../../src/graph/movement.ts';
import { printGraph } from '../../src/graph/print.ts';

test('a graph prints one line a node, with names, types, attributes and scope', () => {
  const graph = new Graph();
  const x = graph.input('x', [2, 3, 4], 'f32');
  const y = graph.scope('layers.0.mlp', () => {
    const weight = graph.weight('layers.0.mlp.fc1.weight', [8, 4], 'f16');
    return linear(x, weight, { bias: graph.constant('ones', new Float32Array(8), [8]), activation: 'gelu' });
  });
  y.named('fc1');
  graph.output('logits', softcap(reshape(y, [6, 8]), 30));
  expect(printGraph(graph)).toBe(
    [
      '%3 = linear(x: input "x", weight: "layers.0.mlp.fc1.weight", bias: constant "ones") {activation: gelu}' +
        ' -> f32 [2, 3, 8]  # layers.0.mlp "fc1"',
      '%4 = reshape(x: %3) {shape: [6, 8]} -> f32 [6, 8]',
      '%5 = elementwise(x0: %4) {expression: [{input: x0}, {constant: 30}, {fn: div, args: [0, 1]},' +
        ' {fn: tanh, args: [2]}, {fn: mul, args: [3, 1]}]} -> f32 [6, 8]',
      'output logits = %5',
    ].join('\n'),
  );
});
