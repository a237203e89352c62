import { type Ir, type IrNode, type IrTensor, mapNamed } from './ir.ts';

/**
 * Gives a weight that asks for it its packed dtype, where every node that reads it can read a packed matrix. A table read
 * at fixed rows, such as of positions, stays float: it is small, and added to every hidden state.
 */
export function packWeights(ir: Ir): Ir {
  const packed = new Map<IrTensor, IrTensor>();
  const unfit = new Set<IrTensor>(ir.outputs.values());
  for (const node of ir.nodes) {
    for (const [name, tensor] of Object.entries(node.inputs)) {
      if (tensor.source.kind !== 'weight' || !tensor.source.packed) continue;
      packed.set(tensor, { ...tensor, dtype: tensor.source.packed });
      if (!node.op.traits.packable?.includes(name) || isFixed(node, name)) unfit.add(tensor);
    }
  }
  for (const tensor of unfit) packed.delete(tensor);
  if (packed.size === 0) return ir;
  const asStored = (tensor: IrTensor): IrTensor => packed.get(tensor) ?? tensor;
  return { ...ir, nodes: ir.nodes.map((node) => ({ ...node, inputs: mapNamed(node.inputs, asStored) })) };
}

const isFixed = ({ inputs }: IrNode, weight: string): boolean =>
  Object.entries(inputs).every(([name, { source }]) => name === weight || source.kind === 'constant');
