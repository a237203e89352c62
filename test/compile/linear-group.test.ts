import { describe, expect, test } from 'vitest';
import type { Ir } from '../../src/compile/ir.ts';
import { cacheAppend } from '../../src/graph/cache-append.ts';
import { Graph } from '../../src/graph/graph.ts';
import { interpret } from '../../src/graph/interpret.ts';
import { linear } from '../../src/graph/linear.ts';
import { activation, add, mul, scale } from '../../src/graph/math.ts';
import { testCaps } from './caps.ts';
import { fusedFor, layers, opNames } from './decode-layers.ts';
import { maxError, runIr } from './run-ir.ts';

const fused = (graph: Graph, kind: 'software' | 'discrete'): Ir => fusedFor(graph, { ...testCaps(), kind });

describe('linears of one vector', () => {
  test.each(['software', 'discrete'] as const)('change no result of a decode step (%s)', (kind) => {
    const { graph, values } = layers(1);
    const ir = fused(graph, kind);
    const norm = kind === 'software' ? ['rmsNorm'] : [];
    const layer = [
      ...[...norm, 'linearGroup', 'ropeAppend', 'attention', 'linear'],
      ...[...norm, 'linearGroup', 'linear'],
    ];
    expect(opNames(ir)).toEqual([...layer, ...layer, 'rmsNorm']);
    const expected = interpret(graph, values).outputs.get('y');
    expect(maxError(runIr(ir, values).get('y'), expected)).toBeLessThan(1e-12);
  });

  test('stay apart for several tokens, where a kernel serves one', () => {
    const { graph } = layers(2);
    expect(opNames(fused(graph, 'software'))).not.toContain('linearGroup');
  });

  test('stay apart where another node reads the cache, which rope and cache together would move past', () => {
    const { graph, values } = layers(1, true);
    const ir = fused(graph, 'discrete');
    expect(opNames(ir).filter((name) => name === 'cacheAppend')).toHaveLength(2);
    expect(opNames(ir).filter((name) => name === 'ropeAppend')).toHaveLength(1);
    const expected = interpret(graph, values).outputs.get('y');
    expect(maxError(runIr(ir, values).get('y'), expected)).toBeLessThan(1e-12);
  });

  test('become no gate where they read different tensors or add a residual', () => {
    const graph = new Graph();
    const [x, z] = [graph.input('x', [1, 8], 'f32'), graph.input('z', [1, 8], 'f32')];
    const w = (name: string) => graph.weight(name, [8, 8], 'f32');
    graph.output('a', mul(activation(linear(x, w('0')), 'silu'), linear(z, w('1'))));
    graph.output('b', mul(activation(linear(x, w('2')), 'silu'), add(linear(x, w('3')), z)));
    graph.output('c', mul(linear(x, w('4')), linear(x, w('5'))));
    const names = opNames(fused(graph, 'software'));
    expect(names.filter((name) => name === 'linearGroup')).toHaveLength(1);
    expect(names.filter((name) => name === 'linear')).toHaveLength(4);
  });

  test('a cache that is read before it is appended to keeps its order', () => {
    const graph = new Graph();
    const cache = graph.state('cache', [1, 4, 1, 2], 'f32');
    const before = scale(cache, 2);
    const updated = cacheAppend(
      cache,
      graph.input('x', [1, 1, 1, 2], 'f32'),
      graph.input('past', [1], 'u32'),
    );
    graph.output('y', add(before, scale(updated, 3)));
    expect(opNames(fused(graph, 'software'))).toEqual([
      'elementwise',
      'cacheAppend',
      'elementwise',
      'elementwise',
    ]);
  });
});
