import { dim, elementCount } from '../../core/shape.ts';
import { MATVEC_ROWS } from '../../kernels/linear-call.ts';
import { type ElementwiseAttrs, elementwise } from '../../ops/elementwise.ts';
import { type LinearAttrs, linear } from '../../ops/linear.ts';
import { type Op, required } from '../../ops/op.ts';
import type { IrNode, IrTensor } from '../ir.ts';
import type { RewriteRule } from '../rewrite.ts';

/**
 * What comes after the sums of many rows becomes a node of its own again, which may join others: a norm takes in the
 * residual, a gate its activation. Kernels of many rows keep their sums in y, so that finishing them reads and writes y once
 * more wherever it is done; and their text is long, so that each epilogue would be another for the driver to compile. Loading
 * the built-in model took 4.8 s of CPU time on SwiftShader and 2.7 s so, encoding a picture and its prompt no longer.
 */
const apartRule: RewriteRule = {
  name: 'linear, its epilogue apart',
  op: linear,
  rewrite(node) {
    const { residual, ...inputs } = node.inputs;
    const { activation } = node.attrs as LinearAttrs;
    const x = required(inputs, 'x', 'linear');
    const y = required(node.outputs, 'y', 'linear');
    const rows = elementCount(x.shape) / dim(x.shape, -1);
    // In f16 the sums would be rounded once more.
    if ((!activation && !residual) || rows <= MATVEC_ROWS || y.dtype !== 'f32') return undefined;
    const made = (name: string): IrTensor => ({ ...y, name: `${name} of ${y.name}`, source: { kind: 'op' } });
    const after = (
      x0: IrTensor,
      x1: IrTensor | undefined,
      to: IrTensor,
      { expression }: ElementwiseAttrs,
    ) => ({
      ...node,
      op: elementwise as unknown as Op,
      inputs: { x0, ...(x1 && { x1 }) },
      outputs: { y: to },
      attrs: { expression },
      fused: [elementwise.name],
    });

    const sums = made('sums');
    const activated = residual && activation ? made('activation') : y;
    const nodes: IrNode[] = [
      { ...node, inputs, outputs: { y: sums }, attrs: { activation: null }, fused: [linear.name] },
    ];
    if (activation)
      nodes.push(
        after(sums, undefined, activated, { expression: [{ input: 'x0' }, { fn: activation, args: [0] }] }),
      );
    if (residual)
      nodes.push(
        after(activation ? activated : sums, residual, y, {
          expression: [{ input: 'x0' }, { input: 'x1' }, { fn: 'add', args: [0, 1] }],
        }),
      );
    return { nodes };
  },
};

export const linearApartRules: readonly RewriteRule[] = [apartRule];
