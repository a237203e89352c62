import { InputError } from '../core/errors.ts';
import { Graph } from '../graph/graph.ts';
import type { Tensor } from '../graph/tensor.ts';
import { bindParameters } from '../models/parameters.ts';
import { captureGraph, joined } from './capture-graph.ts';
import { finalNorm } from './final-norm.ts';
import { buildDecoderGraph } from './graphs.ts';
import type { ModelRuntime } from './sessions.ts';

/** Rows run at once: a row of logits may be 256k values. */
const BATCH = 32;

/**
 * Hidden states of any layer, [rows, C], through the decoder's final norm and its head: logits [rows, V]. Of the last
 * layer's, these are the model's own.
 */
export async function readOutStates(runtime: ModelRuntime, states: Float32Array): Promise<Float32Array> {
  const { model } = runtime;
  const { hiddenSize: C, vocabSize: V } = model.text;
  const rows = states.length / C;
  if (!Number.isInteger(rows) || rows === 0) {
    throw new InputError(
      `readOut: got ${states.length} values; expected one or more rows of ${C}, the decoder's width.`,
    );
  }
  const batch = Math.min(rows, BATCH);
  const inputs = Array.from({ length: Math.ceil(rows / batch) }, (_, i) => {
    const hidden = new Float32Array(batch * C);
    hidden.set(states.subarray(i * batch * C, (i + 1) * batch * C));
    return { states: hidden };
  });
  const captured = await captureGraph(runtime, buildReadOutGraph(runtime, batch), ['logits'], inputs);
  return joined(captured.map(({ logits = [] }) => logits)).subarray(0, rows * V);
}

/** states [rows, C] → logits [rows, V]. */
function buildReadOutGraph({ model, weightScope, precision }: ModelRuntime, rows: number): Graph {
  const shape = { seq: 1, capacity: 1, imageRows: 0, spans: false, picker: 'none' } as const;
  const { node } = finalNorm(
    buildDecoderGraph(model, weightScope, precision, shape),
    model.text.numHiddenLayers,
  );
  const graph = new Graph();
  const x = graph.input('states', [rows, model.text.hiddenSize], precision.activations);
  // The norm of another graph: what it reads besides x are weights.
  const redeclared = Object.entries(node.inputs)
    .filter(([name]) => name !== 'x')
    .map(([name, { source, shape, dtype }]): [string, Tensor] => [
      name,
      graph.weight(source.kind === 'weight' ? source.name : name, shape, dtype),
    ]);
  const { y } = graph.apply(node.op, { x, ...Object.fromEntries(redeclared) }, node.attrs);
  graph.output('logits', model.logits(y ?? x, bindParameters(graph, weightScope, precision)));
  return graph;
}
