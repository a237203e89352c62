import { attention } from '../../ops/attention.ts';
import { cacheAppend } from '../../ops/cache-append.ts';
import { elementwise } from '../../ops/elementwise.ts';
import { type LinearAttrs, linear } from '../../ops/linear.ts';
import { type LinearGroupAttrs, linearGroup } from '../../ops/linear-group.ts';
import { reshape } from '../../ops/movement.ts';
import { rmsNorm } from '../../ops/norm.ts';
import { type Op, required } from '../../ops/op.ts';
import { type RopeAttrs, rope } from '../../ops/rope.ts';
import { ropeAppend } from '../../ops/rope-append.ts';
import type { IrNode, IrTensor } from '../ir.ts';
import type { RewriteRule, Surroundings } from '../rewrite.ts';
import { factors } from './expression-form.ts';

/** Whether some kernel of this adapter can run a node. */
export type Serves = (node: IrNode) => boolean;

/** act(x W0ᵀ) * (x W1ᵀ): a gated MLP reads its input once. */
const gateRule = (serves: Serves): RewriteRule => ({
  name: 'gate * up',
  op: elementwise,
  rewrite(node, around) {
    for (const [gated, plain] of factors(node)) {
      const gate = around.soleProducer(gated, linear);
      const up = around.soleProducer(plain, linear);
      if (!gate || !up || gate === up || activationOf(up)) continue;
      const merged = group([gate, up], node, required(node.outputs, 'y', node.op.name), {
        join: 'gate',
        activation: activationOf(gate),
        norm: null,
      });
      if (merged && serves(merged)) return { absorbed: [gate, up], nodes: [merged] };
    }
    return undefined;
  },
});

/** A node and those it alone leads back to, nearest first. */
const chain = (around: Surroundings, tensor: IrTensor | undefined, ops: readonly Pick<Op, 'name'>[]) => {
  const nodes: IrNode[] = [];
  let at = tensor;
  for (const op of ops) {
    const node = around.soleProducer(at, op);
    if (!node) return undefined;
    nodes.push(node);
    at = node.inputs.x;
  }
  return nodes;
};

/** Products of queries, keys and values, rope of the first two, and the caches of the last two: two nodes in all. */
const headsRule = (serves: Serves): RewriteRule => ({
  name: 'q, k, v + rope + cache',
  op: attention,
  rewrite(node, around) {
    const ofQ = chain(around, node.inputs.q, [rope, reshape, linear]);
    const ofK = chain(around, node.inputs.k, [cacheAppend, rope, reshape, linear]);
    const ofV = chain(around, node.inputs.v, [cacheAppend, reshape, linear]);
    if (!ofQ || !ofK || !ofV) return undefined;
    const [turnQ, , q] = ofQ;
    const [appendK, turnK, , k] = ofK;
    const [appendV, , v] = ofV;
    if (!turnQ || !q || !appendK || !turnK || !k || !appendV || !v) return undefined;
    const { cos, sin, positions } = turnQ.inputs;
    const { past } = node.inputs;
    const { interleaved } = turnQ.attrs as RopeAttrs;
    const turnAlike =
      turnK.inputs.cos === cos &&
      turnK.inputs.sin === sin &&
      turnK.inputs.positions === positions &&
      (turnK.attrs as RopeAttrs).interleaved === interleaved;
    if (!turnAlike || !cos || !sin || !positions || !past) return undefined;
    if (appendK.inputs.past !== past || appendV.inputs.past !== past) return undefined;
    if ([q, k, v].some((linear) => activationOf(linear))) return undefined;

    const turned = required(turnQ.outputs, 'y', 'rope');
    const [batch = 0, tokens = 0, heads = 0, headDim = 0] = turned.shape;
    const [, , kvHeads = 0] = appendK.inputs.x?.shape ?? [];
    const products: IrTensor = {
      name: `q, k and v of ${turned.name}`,
      dtype: turned.dtype,
      shape: [batch, tokens, (heads + 2 * kvHeads) * headDim],
      source: { kind: 'op' },
    };
    const merged = group([q, k, v], q, products, { join: 'rows', activation: null, norm: null });
    const appended: IrNode = {
      ...turnQ,
      op: ropeAppend as unknown as Op,
      inputs: {
        x: products,
        cos,
        sin,
        positions,
        past,
        keys: required(appendK.inputs, 'cache', 'cacheAppend'),
        values: required(appendV.inputs, 'cache', 'cacheAppend'),
      },
      outputs: {
        q: turned,
        keys: required(appendK.outputs, 'cache', 'cacheAppend'),
        values: required(appendV.outputs, 'cache', 'cacheAppend'),
      },
      attrs: { interleaved, heads },
      fused: [turnQ, turnK, appendK, appendV].flatMap(({ fused }) => fused),
    };
    if (!merged || !serves(merged) || !serves(appended)) return undefined;
    return { absorbed: [...ofQ, ...ofK, ...ofV], nodes: [merged, appended, { ...node }] };
  },
});

/** A group takes in the norm that it alone reads. */
const normRule = (serves: Serves): RewriteRule => ({
  name: 'rmsNorm + group',
  op: linearGroup,
  rewrite(node, around) {
    const norm = around.soleProducer(node.inputs.x, rmsNorm);
    if (!norm || (node.attrs as LinearGroupAttrs).norm) return undefined;
    const merged = {
      ...node,
      inputs: {
        ...node.inputs,
        x: required(norm.inputs, 'x', 'rmsNorm'),
        norm: required(norm.inputs, 'weight', 'rmsNorm'),
      },
      attrs: { ...node.attrs, norm: norm.attrs },
      fused: [...norm.fused, ...node.fused],
    };
    return serves(merged) ? { absorbed: [norm], nodes: [merged] } : undefined;
  },
});

/** Linears of one vector become one node, where a kernel serves it; with `norms`, so do the norms before them. */
export const linearGroupRules = (serves: Serves): readonly RewriteRule[] => [
  gateRule(serves),
  headsRule(serves),
];

export const normGroupRules = (serves: Serves): readonly RewriteRule[] => [normRule(serves)];

/** `linears`, all of one tensor and without residual, as one node; undefined where they are not. */
function group(
  linears: readonly IrNode[],
  place: IrNode,
  y: IrTensor,
  attrs: LinearGroupAttrs,
): IrNode | undefined {
  const [first] = linears;
  const x = first?.inputs.x;
  if (!x || linears.some(({ inputs }) => inputs.x !== x || inputs.residual)) return undefined;
  const named = (prefix: string, input: string): Record<string, IrTensor> =>
    Object.fromEntries(
      linears.flatMap(({ inputs }, i) => {
        const tensor = inputs[input];
        return tensor ? [[`${prefix}${i}`, tensor] as const] : [];
      }),
    );
  return {
    op: linearGroup as unknown as Op,
    inputs: { x, ...named('w', 'weight'), ...named('b', 'bias') },
    outputs: { y },
    attrs,
    scope: place.scope,
    fused: linears
      .flatMap(({ fused }) => fused)
      .concat(place.op.name === elementwise.name ? place.fused : []),
  };
}

const activationOf = ({ attrs }: IrNode): LinearAttrs['activation'] => (attrs as LinearAttrs).activation;
