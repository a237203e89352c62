import { describe, expect, test } from 'vitest';
import { fuse } from '../../src/compile/fuse.ts';
import { type Ir, lower } from '../../src/compile/ir.ts';
import { removeDead } from '../../src/compile/remove-dead.ts';
import { rewrite } from '../../src/compile/rewrite.ts';
import { splitWeightRules } from '../../src/compile/rewrites/split-weights.ts';
import { resolveStorage } from '../../src/compile/storage.ts';
import { InputError, UnsupportedError } from '../../src/core/errors.ts';
import { cacheAppend } from '../../src/graph/cache-append.ts';
import { embedding } from '../../src/graph/embedding.ts';
import { Graph } from '../../src/graph/graph.ts';
import { interpret } from '../../src/graph/interpret.ts';
import { linear } from '../../src/graph/linear.ts';
import { activation, add, mul, scale } from '../../src/graph/math.ts';
import { reshape } from '../../src/graph/movement.ts';
import { layerNorm, rmsNorm } from '../../src/graph/norm.ts';
import { softmax } from '../../src/graph/softmax.ts';
import { randomGraph, valuesOf } from './random-graph.ts';
import { maxError, runIr } from './run-ir.ts';

const opNames = (ir: Ir): string[] => ir.nodes.map(({ op }) => op.name);
const seeds = Array.from({ length: 60 }, (_, i) => i + 1);

describe('lower', () => {
  test('refuses to keep what has no name', () => {
    const graph = new Graph();
    graph.output('y', softmax(graph.input('x', [2, 2], 'f32')).named('probs'));
    expect(() => lower(graph, ['probz'])).toThrow(InputError);
    expect(() => lower(graph, ['probz'])).toThrow(/keep "probz".*one of its 1 names, such as "probs"/);
  });
});

describe('removeDead', () => {
  test('drops what nobody reads and leaves the results', () => {
    for (const seed of seeds) {
      const random = randomGraph(seed, 12);
      const ir = lower(random.graph, []);
      const live = removeDead(ir);
      const read = new Set(live.nodes.flatMap(({ inputs }) => Object.values(inputs)));
      for (const tensor of live.outputs.values()) read.add(tensor);
      for (const node of live.nodes) expect(Object.values(node.outputs).some((t) => read.has(t))).toBe(true);
      const expected = interpret(random.graph, valuesOf(random)).outputs;
      for (const [name, data] of runIr(live, valuesOf(random))) expect(data).toEqual(expected.get(name));
    }
  });
});

describe('resolveStorage', () => {
  test('a view of a view lies where the first tensor lies, and takes no step', () => {
    const graph = new Graph();
    const x = graph.input('x', [4, 6], 'f32');
    graph.output('y', softmax(reshape(reshape(scale(x, 2), [24]), [3, 8])));
    const ir = lower(graph, []);
    const { steps, rootOf } = resolveStorage(ir);
    expect(steps.map(({ op }) => op.name)).toEqual(['elementwise', 'softmax']);
    expect(steps[1]?.inputs.x && rootOf(steps[1].inputs.x)).toBe(steps[0]?.outputs.y);
  });
});

describe('fuse', () => {
  test('changes no result, on random graphs', () => {
    let fusedAway = 0;
    for (const seed of seeds) {
      const random = randomGraph(seed, 14);
      const live = removeDead(lower(random.graph, []));
      const fused = fuse(live);
      fusedAway += live.nodes.length - fused.nodes.length;
      const expected = interpret(random.graph, valuesOf(random)).outputs;
      for (const [name, data] of runIr(fused, valuesOf(random)))
        expect(maxError(data, expected.get(name)), `seed ${seed}, output ${name}`).toBeLessThan(1e-12);
    }
    expect(fusedAway).toBeGreaterThan(seeds.length);
  });

  test('keeps the intermediates it is told to keep', () => {
    for (const seed of seeds) {
      const random = randomGraph(seed, 14);
      const { named } = interpret(random.graph, valuesOf(random));
      const fused = fuse(removeDead(lower(random.graph, [...named.keys()])));
      const results = runIr(fused, valuesOf(random));
      for (const [name, expected] of named) expect(maxError(results.get(name), expected)).toBeLessThan(1e-12);
    }
  });

  test('bias, activation and residual become the epilogue of linear', () => {
    const graph = new Graph();
    const x = graph.input('x', [3, 4], 'f32');
    const residual = graph.input('residual', [3, 5], 'f32');
    const sum = add(linear(x, graph.weight('w', [5, 4], 'f32')), graph.weight('b', [5], 'f32'));
    graph.output('y', add(residual, activation(sum, 'gelu')));
    const fused = fuse(lower(graph, []));
    expect(opNames(fused)).toEqual(['linear']);
    expect(Object.keys(fused.nodes[0]?.inputs ?? {})).toEqual(['x', 'weight', 'bias', 'residual']);
    expect(fused.nodes[0]?.attrs).toEqual({ activation: 'gelu' });
    expect(fused.nodes[0]?.fused).toEqual(['linear', 'elementwise', 'elementwise', 'elementwise']);
  });

  test('an activation of a sum with the residual is no epilogue of linear', () => {
    const graph = new Graph();
    const x = graph.input('x', [3, 4], 'f32');
    const y = linear(x, graph.weight('w', [4, 4], 'f32'));
    graph.output('y', activation(add(y, x), 'relu'));
    expect(opNames(fuse(lower(graph, [])))).toEqual(['linear', 'elementwise']);
  });

  test('a residual sum and its norm become one node that gives both', () => {
    const graph = new Graph();
    const x = graph.input('x', [3, 4], 'f32');
    const sum = add(softmax(x), x);
    const normed = rmsNorm(sum, graph.weight('norm', [4], 'f32'), 1e-6);
    graph.output('y', add(normed, sum));
    graph.output('sum', sum);
    const ir = lower(graph, []);
    const fused = fuse(ir);
    expect(opNames(fused)).toEqual(['softmax', 'addRmsNorm', 'elementwise']);
    const values = { x: [1, 2, 3, 4, 5, 6, 7, 8, 9, 8, 7, 6], norm: [1, 2, 3, 4] };
    const expected = interpret(graph, values).outputs;
    for (const [name, data] of runIr(fused, values)) expect(data).toEqual(expected.get(name));
  });

  test('a sum that linear gives stays in its epilogue, before the norm', () => {
    const graph = new Graph();
    const x = graph.input('x', [3, 4], 'f32');
    const sum = add(x, linear(x, graph.weight('w', [4, 4], 'f32')));
    graph.output('y', layerNorm(sum, graph.weight('norm', [4], 'f32'), undefined, 1e-6));
    expect(opNames(fuse(lower(graph, [])))).toEqual(['linear', 'layerNorm']);
  });

  test('a read of a state does not move past the node that updates it', () => {
    const graph = new Graph();
    const past = graph.input('past', [1], 'u32');
    const cache = graph.state('cache', [1, 4, 1, 2], 'f32');
    const before = scale(cache, 2);
    const updated = cacheAppend(cache, graph.input('x', [1, 1, 1, 2], 'f32'), past);
    graph.output('y', add(before, scale(updated, 3)));
    expect(opNames(fuse(removeDead(lower(graph, []))))).toEqual([
      'elementwise',
      'cacheAppend',
      'elementwise',
      'elementwise',
    ]);
  });

  test('a tensor read twice is computed once', () => {
    const graph = new Graph();
    const x = graph.input('x', [3, 4], 'f32');
    const shared = scale(x, 2);
    graph.output('y', softmax(shared));
    graph.output('z', mul(shared, x));
    expect(opNames(fuse(lower(graph, [])))).toEqual(['elementwise', 'softmax', 'elementwise']);
  });

  test('a small tensor that is broadcast stays a node of its own', () => {
    const graph = new Graph();
    const row = scale(graph.input('row', [4], 'f32'), 2);
    graph.output('y', add(graph.input('x', [3, 4], 'f32'), row));
    expect(opNames(fuse(lower(graph, [])))).toEqual(['elementwise', 'elementwise']);
  });
});

describe('split weights', () => {
  const table = Float32Array.from({ length: 40 * 6 }, (_, i) => Math.sin(i));
  const bias = Float32Array.from({ length: 40 }, (_, i) => i / 10);

  function tiedGraph(): Graph {
    const graph = new Graph();
    const weight = graph.weight('table', [40, 6], 'f32');
    const x = embedding(graph.input('ids', [5], 'u32'), weight, { dtype: 'f32' });
    graph.output('x', x);
    graph.output(
      'logits',
      linear(x, weight, { bias: graph.weight('bias', [40], 'f32'), activation: 'relu' }),
    );
    return graph;
  }

  test.each([40 * 24 - 4, 20 * 24, 10 * 24, 8 * 24])(
    'changes no result with bindings of %i bytes',
    (most) => {
      const graph = tiedGraph();
      const ir = lower(graph, []);
      const split = rewrite(ir, splitWeightRules(most));
      const values = { table, bias, ids: [0, 39, 17, 8, 24] };
      const expected = interpret(graph, values).outputs;
      const results = runIr(split, values);
      for (const name of ['x', 'logits']) expect(maxError(results.get(name), expected.get(name))).toBe(0);
      const weights = new Set(
        split.nodes.flatMap(({ inputs: { weight } }) =>
          weight?.source.kind === 'weight' ? [JSON.stringify(weight.source)] : [],
        ),
      );
      const linears = split.nodes.filter(({ op }) => op.name === 'linear').length;
      expect(linears).toBeGreaterThanOrEqual(2);
      // Tied: the embedding and the head read the same parts.
      expect(weights.size).toBe(linears);
    },
  );

  test('leaves alone what fits, and says when not even a few rows do', () => {
    const ir = lower(tiedGraph(), []);
    expect(rewrite(ir, splitWeightRules(40 * 24))).toBe(ir);
    expect(() => rewrite(ir, splitWeightRules(7 * 24))).toThrow(UnsupportedError);
  });
});
