import { isFloat } from '../core/dtype.ts';
import { InputError, ShapeError } from '../core/errors.ts';
import { dim, formatShape, sameShape } from '../core/shape.ts';
import { defineOp, type Reference, required } from './op.ts';

/** `interleaved`: dims (2i, 2i + 1) turn together (GPT-J), else (i, i + R/2) (GPT-NeoX, Llama). */
export type RopeAttrs = { readonly interleaved: boolean };

/**
 * Rotary position embedding (Su et al. 2021) of the first R dims of each head; the rest pass through.
 * x [B, S, H, D], cos and sin [P, R/2] f32, positions [B, S] u32 (rows of the tables, under P) → y like x.
 */
export const rope = defineOp<RopeAttrs>({
  name: 'rope',
  inputs: ['x', 'cos', 'sin', 'positions'],
  infer(inputs, _attrs, where) {
    const x = required(inputs, 'x', where);
    const cos = required(inputs, 'cos', where);
    const sin = required(inputs, 'sin', where);
    const positions = required(inputs, 'positions', where);
    if (!isFloat(x.dtype) || x.shape.length !== 4) {
      throw new ShapeError(
        `${where}: x is ${x.dtype} ${formatShape(x.shape)}; expected floats [B, S, H, D].`,
      );
    }
    const headDim = dim(x.shape, 3);
    if (
      cos.dtype !== 'f32' ||
      sin.dtype !== 'f32' ||
      cos.shape.length !== 2 ||
      !sameShape(cos.shape, sin.shape)
    ) {
      throw new ShapeError(
        `${where}: cos is ${cos.dtype} ${formatShape(cos.shape)} and sin ${sin.dtype} ` +
          `${formatShape(sin.shape)}; expected two f32 tables [P, R/2] of one shape.`,
      );
    }
    if (2 * dim(cos.shape, 1) > headDim) {
      throw new ShapeError(
        `${where}: the tables turn ${2 * dim(cos.shape, 1)} dims, x has ${headDim} per head; expected at most that.`,
      );
    }
    const wanted = x.shape.slice(0, 2);
    if (positions.dtype !== 'u32' || !sameShape(positions.shape, wanted)) {
      throw new ShapeError(
        `${where}: positions is ${positions.dtype} ${formatShape(positions.shape)}; expected u32 ` +
          `${formatShape(wanted)}, one for each token of x ${formatShape(x.shape)}.`,
      );
    }
    return { y: { dtype: x.dtype, shape: x.shape } };
  },
});

export const ropeReference: Reference<RopeAttrs> = (inputs, { interleaved }) => {
  const x = required(inputs, 'x', 'rope');
  const cos = required(inputs, 'cos', 'rope');
  const sin = required(inputs, 'sin', 'rope');
  const positions = required(inputs, 'positions', 'rope');
  const [, , heads = 0, headDim = 0] = x.shape;
  const [tableRows = 0, half = 0] = cos.shape;
  const y = Float64Array.from(x.data);
  positions.data.forEach((position, token) => {
    if (position >= tableRows)
      throw new InputError(`rope: position ${position} is outside the table; expected under ${tableRows}.`);
    for (let head = 0; head < heads; head++) {
      const start = (token * heads + head) * headDim;
      for (let i = 0; i < half; i++) {
        const first = start + (interleaved ? 2 * i : i);
        const second = interleaved ? first + 1 : first + half;
        const [a = 0, b = 0] = [x.data[first], x.data[second]];
        const [c = 0, s = 0] = [cos.data[position * half + i], sin.data[position * half + i]];
        y[first] = a * c - b * s;
        y[second] = b * c + a * s;
      }
    }
  });
  return { y };
};
