import { invariant } from '../../core/errors.ts';
import { dim, elementCount } from '../../core/shape.ts';
import { applyOne } from '../../graph/apply.ts';
import { linear } from '../../graph/linear.ts';
import { matmul } from '../../graph/matmul.ts';
import { reshape, transpose } from '../../graph/movement.ts';
import { reduceSum } from '../../graph/reduce.ts';
import type { Tensor } from '../../graph/tensor.ts';
import type { Activation } from '../../ops/activation.ts';
import { elementwise } from '../../ops/elementwise.ts';
import { linear as linearOp } from '../../ops/linear.ts';
import { matmul as matmulOp } from '../../ops/matmul.ts';
import { sumTo } from '../broadcast.ts';
import { derivative } from '../derivative.ts';
import { defineGradient } from '../gradient.ts';

/** dx = dz W, dW = dzᵀ x, db = Σ dz, where dz = dy act'(x Wᵀ + b): the sum before the activation is computed again. */
export const linearGradient = defineGradient(linearOp, (node, { y: dy }) => {
  const { x, weight, bias } = node.inputs;
  invariant(x && weight && dy, 'linear has x, weight and y');
  const [N, K] = [dim(weight.shape, 0), dim(weight.shape, 1)];
  const rows = elementCount(x.shape) / K;
  const dz = node.attrs.activation
    ? activationGradient(linear(x, weight, { bias }), dy, node.attrs.activation)
    : dy;
  const flat = reshape(dz, [rows, N]);
  return {
    x: node.needs('x') ? reshape(matmul(flat, weight), x.shape) : undefined,
    weight: node.needs('weight') ? matmul(transpose(flat, 0, 1), reshape(x, [rows, K])) : undefined,
    bias: node.needs('bias') ? reduceSum(flat, 0) : undefined,
    residual: dy,
  };
});

/** dy act'(z). */
function activationGradient(z: Tensor, dy: Tensor, name: Activation): Tensor {
  const forward = [{ input: 'x0' }, { fn: name, args: [0] }] as const;
  return applyOne(elementwise, { x0: z, x1: dy }, { expression: derivative(forward, 'x0', 'x1') });
}

/** da = dy bᵀ, db = aᵀ dy, summed over what was broadcast. */
export const matmulGradient = defineGradient(matmulOp, (node, { y: dy }) => {
  const { a, b } = node.inputs;
  invariant(a && b && dy, 'matmul has a, b and y');
  return {
    a: node.needs('a') ? sumTo(matmul(dy, transpose(b, -2, -1)), a.shape) : undefined,
    b: node.needs('b') ? sumTo(matmul(transpose(a, -2, -1), dy), b.shape) : undefined,
  };
});
