import { sameShape } from '../../core/shape.ts';
import type { Activation } from '../../ops/activation.ts';
import { elementwise } from '../../ops/elementwise.ts';
import { type LinearAttrs, linear } from '../../ops/linear.ts';
import type { IrNode, IrTensor } from '../ir.ts';
import type { RewriteRule } from '../rewrite.ts';
import { activationOf, summands } from './expression-form.ts';

// linear computes activation(x Wᵀ + bias) + residual, so what follows it goes into its epilogue in that order.

/** linear, then an elementwise function that is one activation of it. */
const activationRule: RewriteRule = {
  name: 'linear + activation',
  op: elementwise,
  rewrite(node, around) {
    const activation = activationOf(node);
    const producer = activation && around.soleProducer(node.inputs.x0, linear);
    if (!producer || activationOfLinear(producer) || producer.inputs.residual) return undefined;
    return { absorbed: [producer], nodes: [extend(producer, node, {}, { activation })] };
  },
};

/** linear, then the sum of it and one value per output feature. */
const biasRule: RewriteRule = {
  name: 'linear + bias',
  op: elementwise,
  rewrite(node, around) {
    for (const [tensor, bias] of summands(node)) {
      const producer = around.soleProducer(tensor, linear);
      const { bias: hasBias, residual } = producer?.inputs ?? {};
      if (!producer || hasBias || residual || activationOfLinear(producer)) continue;
      if (!sameShape(bias.shape, tensor.shape.slice(-1)) || !keepsType(tensor, node)) continue;
      return { absorbed: [producer], nodes: [extend(producer, node, { bias })] };
    }
    return undefined;
  },
};

/** linear, then the sum of it and a tensor of its shape. */
const residualRule: RewriteRule = {
  name: 'linear + residual',
  op: elementwise,
  rewrite(node, around) {
    for (const [tensor, residual] of summands(node)) {
      const producer = around.soleProducer(tensor, linear);
      if (!producer || producer.inputs.residual) continue;
      if (!sameShape(residual.shape, tensor.shape) || !keepsType(tensor, node)) continue;
      return { absorbed: [producer], nodes: [extend(producer, node, { residual })] };
    }
    return undefined;
  },
};

export const linearEpilogueRules: readonly RewriteRule[] = [activationRule, biasRule, residualRule];

/** `producer` with more inputs or attributes, making what `node` made. */
function extend(
  producer: IrNode,
  node: IrNode,
  inputs: Readonly<Record<string, IrTensor>>,
  attrs: Partial<LinearAttrs> = {},
): IrNode {
  return {
    ...producer,
    inputs: { ...producer.inputs, ...inputs },
    outputs: node.outputs,
    attrs: { ...producer.attrs, ...attrs },
    fused: [...producer.fused, ...node.fused],
  };
}

const activationOfLinear = ({ attrs }: IrNode): Activation | null => (attrs as LinearAttrs).activation;

const keepsType = (tensor: IrTensor, { outputs }: IrNode): boolean =>
  outputs.y?.dtype === tensor.dtype && sameShape(outputs.y.shape, tensor.shape);
