import { decoderLayers } from '../../bench/block-cases.ts';
import { operandValues } from '../../bench/kernel-case.ts';
import { layerValues, operandParameters } from '../../bench/operand-parameters.ts';
import { INFERENCE_SETS } from '../../src/compile/compile.ts';
import { groupRules } from '../../src/compile/compile-with.ts';
import { fuse } from '../../src/compile/fuse.ts';
import { type Ir, lower } from '../../src/compile/ir.ts';
import { removeDead } from '../../src/compile/remove-dead.ts';
import type { Caps } from '../../src/core/caps.ts';
import type { Shape } from '../../src/core/shape.ts';
import { Graph } from '../../src/graph/graph.ts';
import { scale } from '../../src/graph/math.ts';

const sizes = {
  name: 'tiny',
  family: 'llama',
  hiddenSize: 24,
  numAttentionHeads: 6,
  numKeyValueHeads: 2,
  headDim: 8,
  intermediateSize: 40,
  vocabSize: 1,
} as const;
const steps = { layers: 2, past: 3, capacity: 8 };

/** Two layers over a cache of three tokens, with the values of everything they read. */
export function layers(
  seq: number,
  keepKeys = false,
): { graph: Graph; values: Record<string, Float32Array> } {
  const graph = new Graph();
  const values: Record<string, Float32Array> = {};
  const operand = (name: string, shape: Shape) => {
    values[name] = layerValues(name, shape);
    return graph.weight(name, shape, 'f32');
  };
  const x = operand('x', [1, seq, sizes.hiddenSize]);
  graph.output('y', decoderLayers(x, sizes, steps, operandParameters(operand, 'f32')));
  const cache = [1, steps.capacity, sizes.numKeyValueHeads, sizes.headDim];
  for (const layer of [0, 1])
    for (const name of ['key', 'value'])
      values[`kv.${layer}.${name}`] = operandValues(`kv.${layer}.${name}`, cache);
  if (keepKeys) graph.output('keys', scale(graph.state('kv.0.key', cache, 'f32'), 2));
  return { graph, values };
}

/** Ops of a graph's nodes that run, in order. */
export const opNames = (ir: Ir): string[] =>
  ir.nodes.map(({ op }) => op.name).filter((name) => name !== 'reshape');

/** A graph after all fusions of inference on an adapter. */
export const fusedFor = (graph: Graph, caps: Caps): Ir =>
  fuse(removeDead(lower(graph, [])), groupRules(INFERENCE_SETS, caps));
