import { invariant } from '../../core/errors.ts';
import { dim, elementCount } from '../../core/shape.ts';
import { mul, rsqrt, square, sub } from '../../graph/math.ts';
import { reshape } from '../../graph/movement.ts';
import { reduceMean, reduceSum } from '../../graph/reduce.ts';
import type { Tensor } from '../../graph/tensor.ts';
import { layerNorm, rmsNorm } from '../../ops/norm.ts';
import { softmax } from '../../ops/softmax.ts';
import { defineGradient, type ForwardNode } from '../gradient.ts';
import { plus } from '../scalar.ts';

const meanOfRows = (x: Tensor): Tensor => reduceMean(x, -1, { keepDims: true });
/** Sum over all axes but the last. */
const sumOfRows = (x: Tensor, cols: number): Tensor =>
  reduceSum(reshape(x, [elementCount(x.shape) / cols, cols]), 0);

/**
 * dx = (g - mean(g) - x̂ mean(g x̂)) / σ where g = dy weight and x̂ = (x - μ) / σ; dweight = Σ dy x̂, dbias = Σ dy.
 * Mean and deviation are computed again from x. Ba et al. 2016, arXiv 1607.06450, supplement.
 */
export const layerNormGradient = defineGradient(layerNorm, (node, { y: dy }) => {
  const { x, weight } = node.inputs;
  invariant(x && weight && dy, 'layerNorm has x, weight and y');
  const centred = sub(x, meanOfRows(x));
  const inverse = rsqrt(plus(meanOfRows(square(centred)), node.attrs.eps));
  const normed = mul(centred, inverse);
  const g = mul(dy, weight);
  const projected = sub(sub(g, meanOfRows(g)), mul(normed, meanOfRows(mul(g, normed))));
  return normGradients(node, mul(projected, inverse), dy, normed);
});

/** dx = (g - x̂ mean(g x̂)) / r where g = dy (offset + weight), r the root mean square and x̂ = x / r. */
export const rmsNormGradient = defineGradient(rmsNorm, (node, { y: dy }) => {
  const { x, weight } = node.inputs;
  invariant(x && weight && dy, 'rmsNorm has x, weight and y');
  const { eps, offset } = node.attrs;
  const inverse = rsqrt(plus(meanOfRows(square(x)), eps));
  const normed = mul(x, inverse);
  const g = mul(dy, offset === 0 ? weight : plus(weight, offset));
  const projected = sub(g, mul(normed, meanOfRows(mul(g, normed))));
  return normGradients(node, mul(projected, inverse), dy, normed);
});

function normGradients(node: ForwardNode, dx: Tensor, dy: Tensor, normed: Tensor) {
  const cols = dim(dx.shape, -1);
  return {
    x: dx,
    weight: node.needs('weight') ? sumOfRows(mul(dy, normed), cols) : undefined,
    bias: node.needs('bias') ? sumOfRows(dy, cols) : undefined,
  };
}

/** dx = y (dy - Σ dy y). */
export const softmaxGradient = defineGradient(softmax, (node, { y: dy }) => {
  const { y } = node.outputs;
  invariant(y && dy, 'softmax has y');
  const weighted = mul(dy, y);
  return { x: sub(weighted, mul(y, reduceSum(weighted, -1, { keepDims: true }))) };
});
