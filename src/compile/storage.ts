import { invariant } from '../core/errors.ts';
import type { Ir, IrNode, IrTensor } from './ir.ts';

/** Which tensor's bytes each tensor occupies, and which nodes need a dispatch at all. */
export interface Storage {
  /** The tensor itself, or what it views or updates in place. */
  rootOf(tensor: IrTensor): IrTensor;
  /** Nodes that run; views are left out. */
  readonly steps: readonly IrNode[];
}

/** A node all of whose outputs only rename bytes, e.g. a reshape. */
export function isView(node: IrNode): boolean {
  const { aliases = {}, writesAlias } = node.op.traits;
  return !writesAlias && Object.keys(node.outputs).every((output) => output in aliases);
}

export function resolveStorage(ir: Ir): Storage {
  const roots = new Map<IrTensor, IrTensor>();
  const rootOf = (tensor: IrTensor): IrTensor => roots.get(tensor) ?? tensor;
  for (const node of ir.nodes) {
    for (const [output, input] of Object.entries(node.op.traits.aliases ?? {})) {
      const target = node.outputs[output];
      const origin = node.inputs[input];
      invariant(target && origin, `${node.op.name} aliases ${output} to ${input}, which it lacks`);
      roots.set(target, rootOf(origin));
    }
  }
  return { rootOf, steps: ir.nodes.filter((node) => !isView(node)) };
}
