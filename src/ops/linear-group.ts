import { isFloat, isPacked } from '../core/dtype.ts';
import { ShapeError } from '../core/errors.ts';
import { dim, formatShape, sameShape } from '../core/shape.ts';
import { type Activation, activationReference } from './activation.ts';
import { linearReference } from './linear.ts';
import { rmsNormReference } from './norm.ts';
import {
  defineOp,
  type Named,
  type Reference,
  type ReferenceTensor,
  required,
  type TensorType,
} from './op.ts';

/** Weights of a group and their biases, in order. */
export const GROUP_WEIGHTS = ['w0', 'w1', 'w2'] as const;
export const GROUP_BIASES = ['b0', 'b1', 'b2'] as const;

export type LinearGroupAttrs = {
  /** `rows`: the products one after another; `gate`: activation(the first) times the second. */
  readonly join: 'rows' | 'gate';
  /** Of the gate. */
  readonly activation: Activation | null;
  /** RMS norm of x, by the weight `norm`, before the products; null for none. */
  readonly norm: { readonly eps: number; readonly offset: number } | null;
};

/**
 * Several linears of one tensor as one: products i = norm(x) wᵢᵀ + bᵢ, joined along the last axis or as a gate.
 * x [..., K], norm? [K], wᵢ [Nᵢ, K], bᵢ? [Nᵢ] → y [..., N0 + N1 + ...], or [..., N] of two equal ones, of x's dtype.
 */
export const linearGroup = defineOp<LinearGroupAttrs>({
  name: 'linearGroup',
  inputs: ['x', 'norm?', 'w0', 'w1', 'w2?', 'b0?', 'b1?', 'b2?'],
  traits: { packable: GROUP_WEIGHTS },
  infer(inputs, { join, norm }, where) {
    const x = required(inputs, 'x', where);
    const features = dim(x.shape, -1);
    const outputs = groupWeights(inputs).map((weight, i) => {
      const bias = inputs[GROUP_BIASES[i] ?? ''];
      const fits = weight.shape.length === 2 && dim(weight.shape, 1) === features;
      if (!fits || (bias && !sameShape(bias.shape, [dim(weight.shape, 0)]))) {
        throw new ShapeError(
          `${where}: x is ${formatShape(x.shape)}, weight ${i} ${formatShape(weight.shape)} and its bias ` +
            `${bias ? formatShape(bias.shape) : 'absent'}; expected a weight [N, ${features}] and a bias [N].`,
        );
      }
      if (!isFloat(weight.dtype) && !isPacked(weight.dtype))
        throw new ShapeError(`${where}: weight ${i} is ${weight.dtype}; expected floats, q8 or q4.`);
      return dim(weight.shape, 0);
    });
    if (!isFloat(x.dtype) || (norm !== null) !== (inputs.norm !== undefined)) {
      throw new ShapeError(
        `${where}: x is ${x.dtype} and norm ${inputs.norm ? 'given' : 'absent'}; expected floats, and a norm weight where x is normed.`,
      );
    }
    if (join === 'gate' && (outputs.length !== 2 || outputs[0] !== outputs[1]))
      throw new ShapeError(
        `${where}: a gate joins weights of ${outputs.join(', ')} rows; expected two equal ones.`,
      );
    const width = join === 'gate' ? dim(required(inputs, 'w0', where).shape, 0) : sum(outputs);
    return { y: { dtype: x.dtype, shape: [...x.shape.slice(0, -1), width] } };
  },
});

export const linearGroupReference: Reference<LinearGroupAttrs> = (inputs, { join, activation, norm }) => {
  const x = required(inputs, 'x', 'linearGroup');
  const normed: ReferenceTensor = norm
    ? { ...x, data: required(rmsNormReference({ x, weight: weightOf(inputs) }, norm), 'y', 'linearGroup') }
    : x;
  const products = groupWeights(inputs).map((weight, i) => {
    const bias = inputs[GROUP_BIASES[i] ?? ''];
    return required(
      linearReference({ x: normed, weight, ...(bias && { bias }) }, { activation: null }),
      'y',
      'linearGroup',
    );
  });
  const [first = new Float64Array(), second] = products;
  if (join === 'gate') {
    const act = activation ? activationReference[activation] : (value: number) => value;
    return { y: first.map((value, i) => act(value) * (second?.[i] ?? Number.NaN)) };
  }
  const rows = x.data.length / dim(x.shape, -1);
  const y = new Float64Array(sum(products.map(({ length }) => length)));
  const widths = products.map(({ length }) => length / rows);
  for (let row = 0, at = 0; row < rows; row++) {
    products.forEach((product, i) => {
      const width = widths[i] ?? 0;
      y.set(product.subarray(row * width, (row + 1) * width), at);
      at += width;
    });
  }
  return { y };
};

const weightOf = (inputs: Named<ReferenceTensor>): ReferenceTensor => required(inputs, 'norm', 'linearGroup');

/** The weights that are there, in order. */
export const groupWeights = <T extends TensorType>(inputs: Named<T>): readonly T[] =>
  GROUP_WEIGHTS.flatMap((name) => inputs[name] ?? []);

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
