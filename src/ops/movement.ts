import { DTYPES, type DType } from '../core/dtype.ts';
import { ShapeError } from '../core/errors.ts';
import { dim, elementCount, formatShape, normalizeAxis, stridesOf } from '../core/shape.ts';
import { defineOp, type Named, type Reference, required } from './op.ts';

/** The same values in another shape: a view, it runs no kernel. x [...] → y `shape`. */
export const reshape = defineOp<{ readonly shape: readonly number[] }>({
  name: 'reshape',
  inputs: ['x'],
  traits: { aliases: { y: 'x' } },
  infer(inputs, { shape }, where) {
    const x = required(inputs, 'x', where);
    if (elementCount(x.shape) !== elementCount(shape) || shape.some((size) => !Number.isInteger(size))) {
      throw new ShapeError(
        `${where}: x ${formatShape(x.shape)} has ${elementCount(x.shape)} elements, ` +
          `${formatShape(shape)} has ${elementCount(shape)}; expected as many.`,
      );
    }
    return { y: { dtype: x.dtype, shape } };
  },
});

export const reshapeReference: Reference<{ readonly shape: readonly number[] }> = (inputs) => ({
  y: required(inputs, 'x', 'reshape').data,
});

/** Axes in another order, as `torch.permute`: axis a of y is axis `order[a]` of x. */
export const permute = defineOp<{ readonly order: readonly number[] }>({
  name: 'permute',
  inputs: ['x'],
  infer(inputs, { order }, where) {
    const x = required(inputs, 'x', where);
    const sorted = [...order].sort((a, b) => a - b);
    if (order.length !== x.shape.length || sorted.some((axis, i) => axis !== i)) {
      throw new ShapeError(
        `${where}: order ${formatShape(order)} for x ${formatShape(x.shape)}; ` +
          `expected each of 0 to ${x.shape.length - 1} once.`,
      );
    }
    return { y: { dtype: x.dtype, shape: order.map((axis) => dim(x.shape, axis)) } };
  },
});

export const permuteReference: Reference<{ readonly order: readonly number[] }> = (inputs, { order }) => {
  const x = required(inputs, 'x', 'permute');
  const strides = stridesOf(x.shape);
  const y = new Float64Array(x.data.length).map((_, i) => {
    let rest = i;
    let from = 0;
    for (const axis of [...order].reverse()) {
      from += (rest % dim(x.shape, axis)) * (strides[axis] ?? 0);
      rest = Math.floor(rest / dim(x.shape, axis));
    }
    return x.data[from] ?? Number.NaN;
  });
  return { y };
};

/** Part of one axis: x [..., n, ...] → y [..., end - begin, ...]. */
export const slice = defineOp<{ readonly axis: number; readonly begin: number; readonly end: number }>({
  name: 'slice',
  inputs: ['x'],
  infer(inputs, { axis, begin, end }, where) {
    const x = required(inputs, 'x', where);
    const at = normalizeAxis(axis, x.shape.length, where);
    const size = dim(x.shape, at);
    if (!(Number.isInteger(begin) && Number.isInteger(end) && begin >= 0 && begin < end && end <= size)) {
      throw new ShapeError(
        `${where}: range ${begin} to ${end} of axis ${axis} of x ${formatShape(x.shape)}; ` +
          `expected 0 <= begin < end <= ${size}.`,
      );
    }
    return { y: { dtype: x.dtype, shape: x.shape.with(at, end - begin) } };
  },
});

export const sliceReference: Reference<{
  readonly axis: number;
  readonly begin: number;
  readonly end: number;
}> = (inputs, { axis, begin, end }) => {
  const x = required(inputs, 'x', 'slice');
  const { size, inner } = around(x.shape, normalizeAxis(axis, x.shape.length, 'slice'));
  const span = (end - begin) * inner;
  const y = new Float64Array((x.data.length / size) * (end - begin));
  return {
    y: y.map(
      (_, i) => x.data[Math.floor(i / span) * size * inner + begin * inner + (i % span)] ?? Number.NaN,
    ),
  };
};

/** Inputs of one `concat`; the builder joins longer lists in several steps. */
export const CONCAT_INPUTS = ['x0', 'x1', 'x2', 'x3'] as const;

/** Up to four tensors one after another along an axis; their other sizes and dtypes agree. */
export const concat = defineOp<{ readonly axis: number }>({
  name: 'concat',
  inputs: ['x0', 'x1?', 'x2?', 'x3?'],
  infer(inputs, { axis }, where) {
    const first = required(inputs, 'x0', where);
    const at = normalizeAxis(axis, first.shape.length, where);
    const parts = Object.values(inputs);
    for (const { dtype, shape } of parts) {
      const fits =
        shape.length === first.shape.length && shape.every((n, i) => i === at || n === first.shape[i]);
      if (!fits || dtype !== first.dtype) {
        throw new ShapeError(
          `${where}: ${dtype} ${formatShape(shape)} beside ${first.dtype} ${formatShape(first.shape)}; ` +
            `expected the same dtype and sizes on every axis but ${at}.`,
        );
      }
    }
    const size = parts.reduce((sum, { shape }) => sum + dim(shape, at), 0);
    return { y: { dtype: first.dtype, shape: first.shape.with(at, size) } };
  },
});

export const concatReference: Reference<{ readonly axis: number }> = (inputs, { axis }) => {
  const parts = Object.values(inputs);
  const spans = parts.map(({ shape }) => {
    const { size, inner } = around(shape, normalizeAxis(axis, shape.length, 'concat'));
    return size * inner;
  });
  const total = spans.reduce((sum, span) => sum + span, 0);
  const y = new Float64Array(parts.reduce((sum, { data }) => sum + data.length, 0));
  let offset = 0;
  parts.forEach(({ data }, part) => {
    const span = spans[part] ?? 1;
    for (let row = 0; row * span < data.length; row++) {
      y.set(data.subarray(row * span, (row + 1) * span), row * total + offset);
    }
    offset += span;
  });
  return { y };
};

/** The same values as another dtype. Floats to integers truncate and clamp; the same dtype gives a copy. */
export const cast = defineOp<{ readonly dtype: DType }>({
  name: 'cast',
  inputs: ['x'],
  infer(inputs, { dtype }, where) {
    const x = required(inputs, 'x', where);
    if (!DTYPES.includes(dtype))
      throw new ShapeError(`${where}: dtype ${dtype}; expected ${DTYPES.join(', ')}.`);
    return { y: { dtype, shape: x.shape } };
  },
});

export const castReference: Reference<{ readonly dtype: DType }> = (inputs, { dtype }) => {
  const { data } = required(inputs, 'x', 'cast');
  const range = INTEGER_RANGE[dtype];
  return { y: range ? data.map((v) => Math.min(Math.max(Math.trunc(v), range[0]), range[1])) : data };
};

const INTEGER_RANGE: Named<readonly [low: number, high: number]> = {
  i32: [-0x80000000, 0x7fffffff],
  u32: [0, 0xffffffff],
};

/** Size of an axis and the elements within one step of it. */
export function around(shape: readonly number[], axis: number): { size: number; inner: number } {
  return { size: dim(shape, axis), inner: elementCount(shape.slice(axis + 1)) };
}
