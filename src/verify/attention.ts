import { invariant } from '../core/errors.ts';
import { dim } from '../core/shape.ts';
import { applyAgain } from '../graph/apply.ts';
import type { Graph } from '../graph/graph.ts';
import { concat, permute, slice } from '../graph/movement.ts';
import type { Tensor } from '../graph/tensor.ts';

/** A recorded stage of attention's probabilities: `decoder.attention_layer0`. */
const PROBABILITIES = /^decoder\.(attention_layer(\d+))$/;

/**
 * Adds the probabilities of those of `stages` that are a layer's to a decoder graph, under the names they are recorded
 * by: [B, H, S, T]. Attention never writes them down, but over values that are one for one key and zero for all others
 * it gives just that key's probability. So the same op runs again for every headDim keys.
 */
export function nameAttentionProbabilities(graph: Graph, stages: readonly string[]): void {
  const layers = graph.nodes.filter(({ op }) => op.name === 'attention');
  for (const stage of stages) {
    const [, name, layer] = PROBABILITIES.exec(stage) ?? [];
    const node = layers[Number(layer)];
    const { k } = node?.inputs ?? {};
    if (!node || !k || name === undefined) continue;
    const [T, D] = [dim(k.shape, 1), dim(k.shape, 3)];
    const columns = Array.from({ length: Math.ceil(T / D) }, (_, i) => {
      const { y } = applyAgain(node, { v: oneHotValues(graph, k, i * D) });
      invariant(y, 'attention gives y');
      return y; // [B, S, H, D]
    });
    permute(slice(concat(columns, 3), 3, 0, T), [0, 2, 1, 3]).named(name);
  }
}

/** Values of the shape of `k`, of which column d is one for key `first` + d alone. */
function oneHotValues(graph: Graph, { shape }: Tensor, first: number): Tensor {
  const [B = 1, T = 1, K = 1, D = 1] = shape;
  const values = new Float32Array(B * T * K * D);
  for (let row = 0; row < B * T * K; row++) {
    const d = (Math.floor(row / K) % T) - first;
    if (d >= 0 && d < D) values[row * D + d] = 1;
  }
  return graph.constant(`one_hot.${shape.join('x')}.${first}`, values, shape);
}
