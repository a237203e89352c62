import { InputError } from '../core/errors.ts';
import type { Graph } from '../graph/graph.ts';
import type { Tensor, TensorSource } from '../graph/tensor.ts';
import type { Attrs, Named, Op, TensorType } from '../ops/op.ts';

/** A tensor of the compiler. Compared by identity: a rewrite keeps the objects of the tensors it keeps. */
export interface IrTensor extends TensorType {
  /** For people: the name in the graph. */
  readonly name: string;
  readonly source: Exclude<TensorSource, { kind: 'op' }> | { readonly kind: 'op' };
}

export interface IrNode {
  readonly op: Op;
  readonly inputs: Named<IrTensor>;
  readonly outputs: Named<IrTensor>;
  readonly attrs: Attrs;
  readonly scope: string;
  /** Names of the ops this node stands for, in order; one where nothing was fused. */
  readonly fused: readonly string[];
}

/** What the passes hand on: nodes in an order they can run in. Never changed in place. */
export interface Ir {
  readonly nodes: readonly IrNode[];
  readonly inputs: readonly IrTensor[];
  /** Readable after a run; no pass may remove them. */
  readonly outputs: ReadonlyMap<string, IrTensor>;
}

/** A graph as the compiler's own list; `keep` names intermediates that become outputs under their names. */
export function lower(graph: Graph, keep: readonly string[]): Ir {
  const tensors = new Map<number, IrTensor>();
  const lowered = (tensor: Tensor): IrTensor => {
    const known = tensors.get(tensor.id);
    if (known) return known;
    const { name, dtype, shape, source } = tensor;
    const made: IrTensor = { name, dtype, shape, source: source.kind === 'op' ? { kind: 'op' } : source };
    tensors.set(tensor.id, made);
    return made;
  };
  const nodes = graph.nodes.map(
    (node): IrNode => ({
      op: node.op,
      inputs: mapNamed(node.inputs, lowered),
      outputs: mapNamed(node.outputs, lowered),
      attrs: node.attrs,
      scope: node.scope,
      fused: [node.op.name],
    }),
  );
  const outputs = new Map([...graph.outputs].map(([name, tensor]) => [name, lowered(tensor)]));
  for (const [name, tensor] of findNamed(graph, keep)) {
    if (outputs.has(name) && outputs.get(name) !== lowered(tensor)) {
      throw new InputError(
        `compile: keep "${name}" is also the name of another output; expected distinct names.`,
      );
    }
    outputs.set(name, lowered(tensor));
  }
  const inputs = [...tensors.values()].filter((tensor) => tensor.source.kind === 'input');
  return { nodes, inputs, outputs };
}

function findNamed(graph: Graph, names: readonly string[]): [string, Tensor][] {
  if (names.length === 0) return [];
  const { named } = graph;
  return names.map((name) => {
    const tensor = named.get(name);
    if (!tensor) {
      throw new InputError(
        `compile: keep "${name}" is no intermediate of the graph; expected one of its ${named.size} names, such as "${[...named.keys()][0] ?? ''}".`,
      );
    }
    return [name, tensor];
  });
}

export function mapNamed<T, U>(named: Named<T>, map: (value: T) => U): Named<U> {
  const mapped: Record<string, U> = {};
  for (const name in named) mapped[name] = map(named[name] as T);
  return mapped;
}

/** Scope, op, and the module that a weight of it belongs to: `layers.3 linear q_proj`. */
export function nodeLabel({ scope, op, inputs }: IrNode): string {
  const weight = Object.values(inputs).find(({ source }) => source.kind === 'weight');
  const module = weight?.source.kind === 'weight' ? weight.source.name.split('.').at(-2) : undefined;
  return [scope, op.name, module].filter(Boolean).join(' ');
}
