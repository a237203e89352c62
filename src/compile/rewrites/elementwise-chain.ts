import { sameShape } from '../../core/shape.ts';
import { type ElementwiseAttrs, elementwise, fuseExpressions } from '../../ops/elementwise.ts';
import type { IrNode, IrTensor } from '../ir.ts';
import type { RewriteRule } from '../rewrite.ts';

/**
 * An elementwise node takes in one that it alone reads. Only of its own shape: a smaller one that is broadcast
 * would be computed again for every element it is spread over.
 */
const chainRule: RewriteRule = {
  name: 'elementwise chain',
  op: elementwise,
  rewrite(node, around) {
    const { y } = node.outputs;
    for (const [name, tensor] of Object.entries(node.inputs)) {
      const producer = around.soleProducer(tensor, elementwise);
      if (!producer || !y || !sameShape(tensor.shape, y.shape)) continue;
      const fused = fuseExpressions<IrTensor>(bound(node), name, bound(producer));
      if (!fused) continue;
      const { expression, inputs } = fused;
      const merged = { ...node, inputs, attrs: { expression }, fused: [...producer.fused, ...node.fused] };
      return { absorbed: [producer], nodes: [merged] };
    }
    return undefined;
  },
};

export const elementwiseChainRules: readonly RewriteRule[] = [chainRule];

const bound = ({ attrs, inputs }: IrNode) => ({
  expression: (attrs as ElementwiseAttrs).expression,
  inputs,
});
