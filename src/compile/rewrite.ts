import { invariant } from '../core/errors.ts';
import { sameShape } from '../core/shape.ts';
import type { Op } from '../ops/op.ts';
import type { Ir, IrNode, IrTensor } from './ir.ts';
import { resolveStorage } from './storage.ts';

/**
 * One improvement, as data: tried on every node of `op`, it says which nodes give way to which. Rules know ops and
 * stand in compile/rewrites/; the pass that applies them knows none.
 */
export interface RewriteRule {
  /** `linear + activation`: for `explain`. */
  readonly name: string;
  /** The op of the nodes it is tried on; where it fuses a chain, of the chain's last node. */
  readonly op: Pick<Op, 'name'>;
  rewrite(node: IrNode, around: Surroundings): Rewrite | undefined;
}

/** What a rule may ask about the nodes around the one it looks at. */
export interface Surroundings {
  /**
   * The node of `op` that makes `tensor`, if it can move to where `tensor` is read: nobody else reads it, it is no
   * output of the plan, and nothing it reads is updated in place but by itself, with no other node than that reader
   * touching what it updates.
   */
  soleProducer(tensor: IrTensor | undefined, op: Pick<Op, 'name'>): IrNode | undefined;
  /** The nodes of `op` that read `tensor`, which nobody updates in place. */
  readers(tensor: IrTensor, op: Pick<Op, 'name'>): readonly IrNode[];
}

export interface Rewrite {
  /** Nodes that go, besides the one the rule was tried on. */
  readonly absorbed?: readonly IrNode[];
  /** Nodes that take the place of the one the rule was tried on, in order. */
  readonly nodes: readonly IrNode[];
}

/** Applies `rules` in the order given at every node, again and again until none fits any more. */
export function rewrite(ir: Ir, rules: readonly RewriteRule[]): Ir {
  let current = ir;
  for (let changed = true; changed; ) {
    const next = sweep(current, rules);
    changed = next !== current;
    current = next;
  }
  return current;
}

/** One walk over the nodes. Gives `ir` itself back where nothing fits. */
function sweep(ir: Ir, rules: readonly RewriteRule[]): Ir {
  const rulesByOp = groupByOp(rules);
  const list = createNodeList(ir);
  let changed = false;
  for (const original of ir.nodes) {
    // The replacement may fit another rule at once, e.g. linear + activation, then + residual.
    for (let node: IrNode | undefined = original; node && list.has(node); ) {
      const found: Rewrite | undefined = firstRewrite(node, rulesByOp, list);
      if (!found) break;
      list.apply(node, found);
      changed = true;
      node = found.nodes.length === 1 ? found.nodes[0] : undefined;
    }
  }
  return changed ? { ...ir, nodes: list.nodes() } : ir;
}

function firstRewrite(
  node: IrNode,
  rulesByOp: ReadonlyMap<string, readonly RewriteRule[]>,
  around: Surroundings,
): Rewrite | undefined {
  for (const rule of rulesByOp.get(node.op.name) ?? []) {
    const found = rule.rewrite(node, around);
    if (found) return found;
  }
  return undefined;
}

function groupByOp(rules: readonly RewriteRule[]): ReadonlyMap<string, readonly RewriteRule[]> {
  const groups = new Map<string, RewriteRule[]>();
  for (const rule of rules) groups.set(rule.op.name, [...(groups.get(rule.op.name) ?? []), rule]);
  return groups;
}

/** The nodes of one sweep, with who makes and who reads each tensor kept up to date. */
function createNodeList(ir: Ir) {
  /** What each node has become: itself, its replacement, or nothing. */
  const successors = new Map<IrNode, readonly IrNode[]>();
  const present = new Set<IrNode>(ir.nodes);
  const producers = new Map<IrTensor, IrNode>();
  const readers = new Map<IrTensor, Set<IrNode>>();
  const outputs = new Set(ir.outputs.values());
  const { isUpdated, isPrivate } = updatedInPlace(ir);

  const link = (node: IrNode): void => {
    present.add(node);
    for (const output of Object.values(node.outputs)) producers.set(output, node);
    for (const input of Object.values(node.inputs))
      readers.set(input, (readers.get(input) ?? new Set<IrNode>()).add(node));
  };
  const unlink = (node: IrNode): void => {
    present.delete(node);
    for (const output of Object.values(node.outputs)) producers.delete(output);
    for (const input of Object.values(node.inputs)) readers.get(input)?.delete(node);
  };
  const replace = (node: IrNode, nodes: readonly IrNode[]): void => {
    invariant(present.has(node), `rewrite of a ${node.op.name} that is not in the list`);
    unlink(node);
    successors.set(node, nodes);
    for (const added of nodes) {
      checkTypes(added);
      link(added);
    }
  };
  const resolve = (node: IrNode): readonly IrNode[] => successors.get(node)?.flatMap(resolve) ?? [node];
  for (const node of ir.nodes) link(node);

  return {
    soleProducer(tensor: IrTensor | undefined, op: Pick<Op, 'name'>): IrNode | undefined {
      const node = tensor && producers.get(tensor);
      if (node?.op.name !== op.name) return undefined;
      const readCount = Object.values(node.outputs).reduce((sum, t) => sum + (readers.get(t)?.size ?? 0), 0);
      if (readCount !== 1 || Object.values(node.outputs).some((output) => outputs.has(output)))
        return undefined;
      return Object.values(node.inputs).some((input) => isUpdated(input) && !isPrivate(node, input))
        ? undefined
        : node;
    },
    readers(tensor: IrTensor, op: Pick<Op, 'name'>): readonly IrNode[] {
      if (isUpdated(tensor)) return [];
      return [...(readers.get(tensor) ?? [])].filter((reader) => reader.op.name === op.name);
    },
    has: (node: IrNode): boolean => present.has(node),
    apply(node: IrNode, { absorbed = [], nodes }: Rewrite): void {
      for (const gone of absorbed) replace(gone, []);
      replace(node, nodes);
    },
    nodes: (): readonly IrNode[] => ir.nodes.flatMap(resolve),
  };
}

/**
 * `isUpdated`: whether some node overwrites the tensor's bytes; a read of it may not move past that node. `isPrivate`:
 * whether `node` is the one that does, and one other node at most reads what it made of them.
 */
function updatedInPlace(ir: Ir) {
  const { rootOf } = resolveStorage(ir);
  const roots = new Set<IrTensor>();
  const touching = new Map<IrTensor, Set<IrNode>>();
  for (const node of ir.nodes) {
    for (const tensor of [...Object.values(node.inputs), ...Object.values(node.outputs)]) {
      const nodes = touching.get(rootOf(tensor)) ?? new Set();
      touching.set(rootOf(tensor), nodes.add(node));
    }
  }
  for (const { op, inputs } of ir.nodes) {
    if (!op.traits.writesAlias) continue;
    for (const name of Object.values(op.traits.aliases ?? {})) {
      const input = inputs[name];
      if (input) roots.add(rootOf(input));
    }
  }
  return {
    isUpdated: (tensor: IrTensor): boolean => roots.has(rootOf(tensor)),
    isPrivate: ({ op, inputs }: IrNode, tensor: IrTensor): boolean =>
      op.traits.writesAlias === true &&
      Object.values(op.traits.aliases ?? {}).some((name) => inputs[name] === tensor) &&
      (touching.get(rootOf(tensor))?.size ?? 0) <= 2,
  };
}

/** A rule that changes what a tensor is has a bug, and is told here rather than by wrong numbers. */
function checkTypes({ op, inputs, outputs, attrs, scope }: IrNode): void {
  const types = op.infer(inputs, attrs, `rewrite to ${op.name} "${scope}"`);
  for (const [name, { dtype, shape }] of Object.entries(outputs)) {
    const type = types[name];
    invariant(
      type && type.dtype === dtype && sameShape(type.shape, shape),
      `rewrite to ${op.name} "${scope}" makes ${name} ${type?.dtype} [${type?.shape}] where ${dtype} [${shape}] was`,
    );
  }
}
