import type { Ir, IrNode, IrTensor } from './ir.ts';

/** Drops nodes whose outputs nobody reads; nodes that update storage in place stay. */
export function removeDead(ir: Ir): Ir {
  const needed = new Set<IrTensor>(ir.outputs.values());
  const kept: IrNode[] = [];
  for (const node of ir.nodes.toReversed()) {
    const isLive = node.op.traits.writesAlias || Object.values(node.outputs).some((t) => needed.has(t));
    if (!isLive) continue;
    for (const input of Object.values(node.inputs)) needed.add(input);
    kept.push(node);
  }
  return { ...ir, nodes: kept.reverse() };
}
