import { dim } from '../core/shape.ts';
import { type AttentionAttrs, attention, MASKED } from '../ops/attention.ts';
import { required } from '../ops/op.ts';
import type { Graph } from './graph.ts';
import { activation, add, max, mul, scale, softcap, sub, where } from './math.ts';
import { matmul } from './matmul.ts';
import { cast, permute, reshape, slice } from './movement.ts';
import { softmax } from './softmax.ts';
import type { Node, Tensor } from './tensor.ts';

/** What `attentionProbabilities` takes: nodes of the op `attention`. */
export type AttentionNode = Node & { readonly attrs: AttentionAttrs };

/** Queries from `begin` on, up to `end` (exclusive). */
export type QueryRange = readonly [begin: number, end: number];

/** The attention nodes of a graph by the names of their probabilities: `vision.layers.5.attention.probabilities`. */
export function attentionNodes(graph: Graph): ReadonlyMap<string, AttentionNode> {
  const nodes = new Map<string, AttentionNode>();
  for (const node of graph.nodes) {
    if (node.op.name !== attention.name) continue;
    const base = node.scope === '' ? 'attention' : `${node.scope}.attention`;
    const name = (count: number): string => `${base}${count === 0 ? '' : `.${count}`}.probabilities`;
    let count = 0;
    while (nodes.has(name(count))) count++;
    nodes.set(name(count), node as AttentionNode);
  }
  return nodes;
}

/**
 * Adds what the fused op never stores to the graph of `node`: how much each query attends to each key, [B, H, S, T] f32,
 * of the queries of `range` alone where one is given. Rows add up to one, or are zero where a query sees no key.
 */
export function attentionProbabilities(node: AttentionNode, range?: QueryRange): Tensor {
  const { attrs, inputs } = node;
  const q = required(inputs, 'q', 'attention probabilities');
  const k = required(inputs, 'k', 'attention probabilities');
  const [begin, end] = range ?? [0, dim(q.shape, 1)];
  const product = scale(scores(slice(q, 1, begin, end), k), attrs.scale); // [B, H, S, T]
  const capped = attrs.softcap === null ? product : softcap(product, attrs.softcap);
  const bias = inputs.mask && slice(inputs.mask, 2, begin, end);
  const visible = visibleKeys(node, begin, end, bias); // [B|1, H|1, S, T]
  const masked = bias ? add(capped, bias) : capped;
  if (!visible) return softmax(masked);
  // The product makes rows without any visible key zero, which softmax would spread evenly.
  return mul(softmax(where(visible, masked, MASKED)), visible);
}

/** q k of each query head with the kv head it shares. q [B, S, H, D], k [B, T, K, D] → [B, H, S, T] */
function scores(q: Tensor, k: Tensor): Tensor {
  const [B = 1, S = 1, H = 1, D = 1] = q.shape;
  const [, T = 1, K = 1] = k.shape;
  const queries = reshape(permute(cast(q, 'f32'), [0, 2, 1, 3]), [B, K, (H / K) * S, D]);
  const keys = permute(cast(k, 'f32'), [0, 2, 3, 1]); // [B, K, D, T]
  return reshape(matmul(queries, keys), [B, H, S, T]);
}

/** 1 for every key that a query sees and 0 for all others, by the rules of the op; undefined where all are seen. */
function visibleKeys(
  { attrs: { causal, slidingWindow }, inputs }: AttentionNode,
  begin: number,
  end: number,
  bias: Tensor | undefined,
): Tensor | undefined {
  const { graph, shape } = required(inputs, 'q', 'attention probabilities');
  const [B = 1, S = 1] = shape;
  const T = dim(required(inputs, 'k', 'attention probabilities').shape, 1);
  const { past, span } = inputs;
  const j = graph.constant(`attention.keys.${T}`, indices(0, T), [T]);
  const i = graph.constant(`attention.queries.${begin}.${end}`, indices(begin, end), [end - begin, 1]);
  const before = past && reshape(past, [B, 1, 1, 1]);
  const position = add(
    i,
    before ?? graph.constant(`attention.before.${T - S}`, indices(T - S, T - S + 1), [1]),
  );

  const rules: Tensor[] = [];
  if (causal) rules.push(atMost(j, position));
  if (slidingWindow !== null) rules.push(atMost(sub(position, j), number(graph, slidingWindow - 1)));
  let visible = rules.length > 0 ? rules.reduce(mul) : undefined;
  if (span) {
    const bound = (side: number): Tensor =>
      reshape(slice(slice(span, 1, begin, end), 2, side, side + 1), [B, 1, end - begin, 1]);
    const inside = mul(atMost(bound(0), j), below(j, bound(1)));
    visible = causal && visible ? max(visible, inside) : inside;
  }
  if (before) {
    const written = below(j, add(number(graph, S), before));
    visible = visible ? mul(visible, written) : written;
  }
  if (!bias) return visible;
  const unmasked = below(number(graph, MASKED), bias);
  return visible ? mul(visible, unmasked) : unmasked;
}

/** 1 where a ≤ b, else 0. */
const atMost = (a: Tensor, b: Tensor): Tensor => where(positive(sub(a, b)), 0, 1);

/** 1 where a < b, else 0. */
const below = (a: Tensor, b: Tensor): Tensor => where(positive(sub(b, a)), 1, 0);

/** Not zero where x is above zero. */
const positive = (x: Tensor): Tensor => activation(x, 'relu');

const number = (graph: Graph, value: number): Tensor =>
  graph.constant(`number.${value}`, Float32Array.of(value), [1]);

const indices = (begin: number, end: number): Float32Array =>
  Float32Array.from({ length: end - begin }, (_, i) => begin + i);
