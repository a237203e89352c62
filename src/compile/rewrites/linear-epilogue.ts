import { sameShape } from '../../core/shape.ts';
import { ACTIVATIONS, type Activation } from '../../ops/activation.ts';
import { type ElementwiseAttrs, elementwise } from '../../ops/elementwise.ts';
import { type LinearAttrs, linear } from '../../ops/linear.ts';
import type { IrNode, IrTensor } from '../ir.ts';
import type { RewriteRule } from '../rewrite.ts';

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

/** The activation that `node` is, and nothing more. */
function activationOf(node: IrNode): Activation | undefined {
  const [input, call, ...rest] = (node.attrs as ElementwiseAttrs).expression;
  if (!input || !call || rest.length > 0 || !('input' in input) || !('fn' in call)) return undefined;
  return ACTIVATIONS.find((name) => name === call.fn);
}

/** Both ways to look at `node` where it is the sum of two tensors, as [one, the other]; the later made first. */
function summands(node: IrNode): readonly (readonly [IrTensor, IrTensor])[] {
  const { x0, x1 } = node.inputs;
  const [a, b, call, ...rest] = (node.attrs as ElementwiseAttrs).expression;
  if (!x0 || !x1 || !a || !b || !call || rest.length > 0) return [];
  if (!('input' in a) || !('input' in b) || !('fn' in call) || call.fn !== 'add') return [];
  return [
    [x1, x0],
    [x0, x1],
  ];
}
