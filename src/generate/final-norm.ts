import { UnsupportedError } from '../core/errors.ts';
import type { Graph } from '../graph/graph.ts';
import type { Node, Tensor } from '../graph/tensor.ts';

/** Name of the last layer's result, which `decode` norms before anyone sees it. */
export const lastStateName = (layers: number): string => `hidden_states.${layers}.before_norm`;

/** The norm that a decoder of so many layers ends with, and what it is given. Throws UnsupportedError for none. */
export function finalNorm(graph: Graph, layers: number): { readonly node: Node; readonly x: Tensor } {
  const source = graph.named.get(`hidden_states.${layers}`)?.source;
  const x = source?.kind === 'op' ? source.node.inputs.x : undefined;
  if (source?.kind === 'op' && x && /norm$/i.test(source.node.op.name)) return { node: source.node, x };
  throw new UnsupportedError(
    `capture: the decoder does not end with a norm named "hidden_states.${layers}"; expected one. Its layers cannot be read as words.`,
  );
}
