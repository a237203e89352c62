import { attentionNodes, attentionProbabilities } from '../graph/attention-probabilities.ts';
import type { Graph } from '../graph/graph.ts';

/** A recorded stage of attention's probabilities: `decoder.attention_layer0`. */
const PROBABILITIES = /^decoder\.(attention_layer(\d+))$/;

/** Adds the probabilities of those of `stages` that are a layer's to a decoder graph, under the names they are recorded by. */
export function nameAttentionProbabilities(graph: Graph, stages: readonly string[]): void {
  const layers = [...attentionNodes(graph).values()];
  for (const stage of stages) {
    const [, name, layer] = PROBABILITIES.exec(stage) ?? [];
    const node = layers[Number(layer)];
    if (node && name !== undefined) attentionProbabilities(node).named(name);
  }
}
