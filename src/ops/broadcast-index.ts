import { dim, type Shape, stridesOf } from '../core/shape.ts';

/** Maps an element number of `to` to the element number of `from`, which broadcasts to it (NumPy's rule). */
export function broadcastIndex(from: Shape, to: Shape): (i: number) => number {
  const strides = stridesOf(from);
  const lead = to.length - from.length;
  return (i) => {
    let rest = i;
    let index = 0;
    for (let axis = to.length - 1; axis >= 0; axis--) {
      const size = dim(to, axis);
      const coordinate = rest % size;
      rest = (rest - coordinate) / size;
      if (axis >= lead && dim(from, axis - lead) !== 1) index += coordinate * (strides[axis - lead] ?? 0);
    }
    return index;
  };
}
