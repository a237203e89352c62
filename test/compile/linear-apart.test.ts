import { describe, expect, test } from 'vitest';
import { INFERENCE_SETS } from '../../src/compile/compile.ts';
import { groupRules } from '../../src/compile/compile-with.ts';
import { fuse } from '../../src/compile/fuse.ts';
import { type Ir, lower } from '../../src/compile/ir.ts';
import { Graph } from '../../src/graph/graph.ts';
import { interpret } from '../../src/graph/interpret.ts';
import { linear } from '../../src/graph/linear.ts';
import { activation, add, mul } from '../../src/graph/math.ts';
import { rmsNorm } from '../../src/graph/norm.ts';
import { testCaps } from './caps.ts';
import { maxError, runIr } from './run-ir.ts';

const fused = (graph: Graph, kind: 'software' | 'discrete' = 'software'): Ir =>
  fuse(lower(graph, []), groupRules(INFERENCE_SETS, { ...testCaps(), kind }));
const opNames = (ir: Ir): string[] => ir.nodes.map(({ op }) => op.name);

/** A linear of everything, and what the graph reads. */
function oneLinear(rows: number, dtype: 'f32' | 'f16' = 'f32') {
  const graph = new Graph();
  const x = graph.input('x', [rows, 4], dtype);
  const w = graph.weight('w', [5, 4], dtype);
  const residual = graph.input('residual', [rows, 5], dtype);
  const bias = graph.weight('b', [5], dtype);
  graph.output('y', linear(x, w, { bias, activation: 'silu', residual }));
  const wave = (count: number, step: number): number[] =>
    Array.from({ length: count }, (_, i) => Math.sin(step * i + 1));
  const values = {
    x: wave(rows * 4, 0.7),
    w: wave(20, 1.1),
    residual: wave(rows * 5, 0.3),
    b: wave(5, 2),
  };
  return { graph, values };
}

describe('the epilogue of a linear of many rows on a CPU', () => {
  test('becomes one node behind it, and the bias stays', () => {
    const { graph, values } = oneLinear(9);
    const ir = fused(graph);
    expect(opNames(ir)).toEqual(['linear', 'elementwise']);
    expect(Object.keys(ir.nodes[0]?.inputs ?? {})).toEqual(['x', 'weight', 'bias']);
    expect(ir.nodes[0]?.attrs).toEqual({ activation: null });
    const expected = interpret(graph, values).outputs.get('y');
    expect(maxError(runIr(ir, values).get('y'), expected)).toBeLessThan(1e-12);
  });

  test('stays where rows are few, sums are f16, or the adapter is a GPU', () => {
    expect(opNames(fused(oneLinear(8).graph))).toEqual(['linear']);
    expect(opNames(fused(oneLinear(9, 'f16').graph))).toEqual(['linear']);
    expect(opNames(fused(oneLinear(9).graph, 'discrete'))).toEqual(['linear']);
  });

  test('joins the norm or the gate that reads it', () => {
    const graph = new Graph();
    const x = graph.input('x', [9, 4], 'f32');
    const w = (name: string) => graph.weight(name, [4, 4], 'f32');
    const sum = add(x, linear(x, w('o')));
    const normed = rmsNorm(sum, graph.weight('norm', [4], 'f32'), 1e-6);
    const gated = mul(activation(linear(normed, w('gate')), 'silu'), linear(normed, w('up')));
    graph.output('y', add(gated, sum));
    const ir = fused(graph);
    expect(opNames(ir)).toEqual(['linear', 'addRmsNorm', 'linear', 'linear', 'elementwise']);
    const values = Object.fromEntries(
      Object.entries({ x: 36, o: 16, norm: 4, gate: 16, up: 16 }).map(([name, length]) => [
        name,
        Array.from({ length }, (_, i) => Math.cos(0.9 * i + name.length)),
      ]),
    );
    const expected = interpret(graph, values).outputs.get('y');
    expect(maxError(runIr(ir, values).get('y'), expected)).toBeLessThan(1e-12);
  });
});
