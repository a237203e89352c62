import { ACTIVATIONS, type Activation } from '../../ops/activation.ts';
import type { ElementwiseAttrs } from '../../ops/elementwise.ts';
import type { IrNode, IrTensor } from '../ir.ts';

/** The activation that `node` is, and nothing more. */
export function activationOf(node: IrNode): Activation | undefined {
  const [input, call, ...rest] = (node.attrs as ElementwiseAttrs).expression;
  if (!input || !call || rest.length > 0 || !('input' in input) || !('fn' in call)) return undefined;
  return ACTIVATIONS.find((name) => name === call.fn);
}

type Pairs = readonly (readonly [IrTensor, IrTensor])[];

/** Both ways to look at `node` where it is the sum of two tensors, as [one, the other]; the later made first. */
export const summands = (node: IrNode): Pairs => operandsOf(node, 'add');

/** The same where it is a product, element by element. */
export const factors = (node: IrNode): Pairs => operandsOf(node, 'mul');

function operandsOf(node: IrNode, fn: 'add' | 'mul'): Pairs {
  const { x0, x1 } = node.inputs;
  const [a, b, call, ...rest] = (node.attrs as ElementwiseAttrs).expression;
  if (!x0 || !x1 || !a || !b || !call || rest.length > 0) return [];
  if (!('input' in a) || !('input' in b) || !('fn' in call) || call.fn !== fn) return [];
  return [
    [x1, x0],
    [x0, x1],
  ];
}
