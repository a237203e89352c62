import { ShapeError } from './errors.ts';

/** Sizes per axis, row-major, outermost first. `[]` is a scalar of one element. */
export type Shape = readonly number[];

export const elementCount = (shape: Shape): number => shape.reduce((product, size) => product * size, 1);

export const formatShape = (shape: Shape): string => `[${shape.join(', ')}]`;

export const sameShape = (a: Shape, b: Shape): boolean =>
  a.length === b.length && a.every((size, i) => size === b[i]);

/** Row-major strides in elements. */
export function stridesOf(shape: Shape): number[] {
  const strides = new Array<number>(shape.length);
  let stride = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    strides[axis] = stride;
    stride *= dim(shape, axis);
  }
  return strides;
}

/** Size of one axis; negative counts from the end. Throws ShapeError when there is no such axis. */
export function dim(shape: Shape, axis: number): number {
  const size = shape.at(axis);
  if (size === undefined)
    throw new ShapeError(
      `shape ${formatShape(shape)} has no axis ${axis}; expected ${-shape.length} to ${shape.length - 1}.`,
    );
  return size;
}

/** A negative axis counted from the end, as an index. */
export function normalizeAxis(axis: number, rank: number, where: string): number {
  const index = axis < 0 ? axis + rank : axis;
  if (!Number.isInteger(axis) || index < 0 || index >= rank) {
    throw new ShapeError(
      `${where}: axis ${axis} is outside a tensor of rank ${rank}; expected ${-rank} to ${rank - 1}.`,
    );
  }
  return index;
}

/** NumPy broadcasting of two shapes. Throws ShapeError naming `where` and both shapes. */
export function broadcastShapes(a: Shape, b: Shape, where: string): number[] {
  const rank = Math.max(a.length, b.length);
  const out = new Array<number>(rank);
  for (let i = 1; i <= rank; i++) {
    const x = a.at(-i) ?? 1;
    const y = b.at(-i) ?? 1;
    if (x !== y && x !== 1 && y !== 1) {
      throw new ShapeError(
        `${where}: ${formatShape(a)} and ${formatShape(b)} do not broadcast; axis -${i} is ${x} and ${y}. Expected equal sizes or 1.`,
      );
    }
    out[rank - i] = x === 1 ? y : x;
  }
  return out;
}
