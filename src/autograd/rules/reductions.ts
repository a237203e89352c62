import { invariant } from '../../core/errors.ts';
import { elementCount } from '../../core/shape.ts';
import { div, equal, exp, mul, scale, sub } from '../../graph/math.ts';
import { reshape } from '../../graph/movement.ts';
import { reduceSum } from '../../graph/reduce.ts';
import { logSumExp } from '../../ops/log-sum-exp.ts';
import { reduce, reducedView } from '../../ops/reduce.ts';
import { broadcastLike } from '../broadcast.ts';
import { defineGradient } from '../gradient.ts';

/** Every term of a sum gets dy, of a mean its share; of a maximum those that attain it share dy evenly, as torch. */
export const reduceGradient = defineGradient(
  reduce,
  ({ inputs: { x }, outputs: { y }, attrs }, { y: dy }) => {
    invariant(x && y && dy, 'reduce has x and y');
    const kept = x.shape.map((size, axis) => (axis >= attrs.begin && axis < attrs.end ? 1 : size));
    const spread = broadcastLike(reshape(dy, kept), x);
    if (attrs.kind === 'sum') return { x: spread };
    if (attrs.kind === 'mean') return { x: scale(spread, 1 / reducedView(x.shape, attrs).length) };
    const axes = x.shape.flatMap((_, axis) => (axis >= attrs.begin && axis < attrs.end ? [axis] : []));
    const attains = equal(x, reshape(y, kept));
    const count = reduceSum(attains, axes, { keepDims: true });
    invariant(elementCount(count.shape) === elementCount(kept), 'a count per maximum');
    return { x: mul(attains, div(reshape(dy, kept), count)) };
  },
);

/** dx = dy exp(x - y): the softmax, made of what is there. */
export const logSumExpGradient = defineGradient(
  logSumExp,
  ({ inputs: { x }, outputs: { y }, attrs }, { y: dy }) => {
    invariant(x && y && dy, 'logSumExp has x and y');
    const kept = x.shape.with(attrs.axis, 1);
    return { x: mul(exp(sub(x, reshape(y, kept))), reshape(dy, kept)) };
  },
);
