import { type Shape, sameShape } from '../core/shape.ts';
import { applyOne } from '../graph/apply.ts';
import { reshape } from '../graph/movement.ts';
import { reduceSum } from '../graph/reduce.ts';
import type { Tensor } from '../graph/tensor.ts';
import { elementwise } from '../ops/elementwise.ts';

/** The sum over the axes along which `shape` was broadcast to x: the transpose of broadcasting. x [...] → `shape`. */
export function sumTo(x: Tensor, shape: Shape): Tensor {
  if (sameShape(x.shape, shape)) return x;
  const leading = x.shape.length - shape.length;
  const axes = x.shape.flatMap((size, axis) => {
    const own = shape[axis - leading];
    return axis < leading || (own === 1 && size !== 1) ? [axis] : [];
  });
  return reshape(axes.length === 0 ? x : reduceSum(x, axes), shape);
}

/** x repeated to the shape of `like`, whose values are not used. */
export function broadcastLike(x: Tensor, like: Tensor): Tensor {
  if (sameShape(x.shape, like.shape)) return x;
  const expression = [
    { input: 'x1' },
    { input: 'x0' },
    { constant: 1 },
    { fn: 'mul', args: [1, 2] },
  ] as const;
  return applyOne(elementwise, { x0: x, x1: like }, { expression });
}

/** A constant of zeros. */
export const zeros = ({ graph }: Tensor, shape: Shape): Tensor => {
  const count = shape.reduce((product, size) => product * size, 1);
  return reshape(graph.constant(`zeros.${count}`, new Float32Array(count), [count]), shape);
};
