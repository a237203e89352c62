import { isFloat } from '../../core/dtype.ts';
import { invariant } from '../../core/errors.ts';
import { applyOne } from '../../graph/apply.ts';
import { EXPRESSION_INPUTS, type Expression, elementwise } from '../../ops/elementwise.ts';
import { sumTo } from '../broadcast.ts';
import { derivative } from '../derivative.ts';
import { defineGradient } from '../gradient.ts';

/** Each input gets dy times the derivative of the expression, in one kernel, summed where it was broadcast. */
export const elementwiseGradient = defineGradient(elementwise, (node, { y: dy }) => {
  invariant(dy, 'elementwise has one output');
  const names = Object.keys(node.inputs);
  const free = EXPRESSION_INPUTS.find((name) => !names.includes(name));
  invariant(free, 'an expression of six inputs leaves no room for the gradient of its result');
  const gradients = Object.entries(node.inputs).map(([name, x]) => {
    if (!node.needs(name) || !isFloat(x.dtype)) return [name, undefined] as const;
    const expression: Expression = derivative(node.attrs.expression, name, free);
    const full = applyOne(elementwise, { ...node.inputs, [free]: dy }, { expression });
    return [name, sumTo(full, x.shape)] as const;
  });
  return Object.fromEntries(gradients);
});
