import { invariant } from '../core/errors.ts';
import { dim, formatShape, sameShape } from '../core/shape.ts';
import { add } from '../graph/math.ts';
import { cast, concat } from '../graph/movement.ts';
import type { Tensor } from '../graph/tensor.ts';
import { zeros } from './broadcast.ts';
import type { GradientSlice } from './gradient.ts';

/** Gradients of tensors, summed up over the nodes that read them. */
export interface GradientSums {
  add(tensor: Tensor, gradient: Tensor | GradientSlice): void;
  /** The sum so far, f32; undefined where nothing was added. */
  of(tensor: Tensor): Tensor | undefined;
}

export function createGradientSums(): GradientSums {
  const sums = new Map<number, Tensor>();
  const slices = new Map<number, GradientSlice[]>();

  const addWhole = (tensor: Tensor, gradient: Tensor): void => {
    invariant(
      sameShape(tensor.shape, gradient.shape),
      `gradient ${formatShape(gradient.shape)} of ${tensor.name} ${formatShape(tensor.shape)}`,
    );
    const known = sums.get(tensor.id);
    const f32 = cast(gradient, 'f32');
    sums.set(tensor.id, known ? add(known, f32) : f32);
  };

  return {
    add(tensor, gradient) {
      if (!('values' in gradient)) addWhole(tensor, gradient);
      else slices.set(tensor.id, [...(slices.get(tensor.id) ?? []), gradient]);
    },
    of(tensor) {
      for (const row of rowsOfSlices(slices.get(tensor.id) ?? [])) addWhole(tensor, fillRow(tensor, row));
      slices.delete(tensor.id);
      return sums.get(tensor.id);
    },
  };
}

/** Slices in rows of such as lie beside each other along one axis, so that a tensor cut in blocks costs one concat. */
function rowsOfSlices(slices: readonly GradientSlice[]): readonly (readonly GradientSlice[])[] {
  const rows: GradientSlice[][] = [];
  for (const slice of slices.toSorted((a, b) => a.begin - b.begin)) {
    const row = rows.find((others) => {
      const last = others.at(-1);
      return (
        last && last.axis === slice.axis && last.begin + dim(last.values.shape, last.axis) <= slice.begin
      );
    });
    if (row) row.push(slice);
    else rows.push([slice]);
  }
  return rows;
}

function fillRow(tensor: Tensor, row: readonly GradientSlice[]): Tensor {
  const axis = row[0]?.axis ?? 0;
  const parts: Tensor[] = [];
  let at = 0;
  const fillTo = (end: number): void => {
    if (end > at) parts.push(zeros(tensor, tensor.shape.with(axis, end - at)));
    at = end;
  };
  for (const { values, begin } of row) {
    fillTo(begin);
    parts.push(cast(values, 'f32'));
    at += dim(values.shape, axis);
  }
  fillTo(dim(tensor.shape, axis));
  return concat(parts, axis);
}
