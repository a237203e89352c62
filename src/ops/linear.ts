import { isFloat, isPacked } from '../core/dtype.ts';
import { ShapeError } from '../core/errors.ts';
import { dim, elementCount, formatShape, type Shape, sameShape } from '../core/shape.ts';
import { type Activation, activationReference } from './activation.ts';
import { defineOp, type Named, type Reference, required, type TensorType } from './op.ts';

export type LinearAttrs = { readonly activation: Activation | null };

/**
 * y = activation(x Wᵀ + bias) + residual; weights as checkpoints store them, one output feature per row.
 * x [..., K], weight [N, K], bias? [N], residual? [..., N] → y [..., N] of x's dtype.
 */
export const linear = defineOp<LinearAttrs>({
  name: 'linear',
  inputs: ['x', 'weight', 'bias?', 'residual?'],
  traits: { packable: ['weight'] },
  infer(inputs, _attrs, where) {
    const x = required(inputs, 'x', where);
    const weight = required(inputs, 'weight', where);
    checkFloats(inputs, where);
    if (x.shape.length === 0 || weight.shape.length !== 2)
      throw new ShapeError(
        `${where}: x is ${formatShape(x.shape)} and ${nameWeight(weight)} ${formatShape(weight.shape)}; expected x [..., K] and weight [N, K].`,
      );
    const features = dim(x.shape, -1);
    const n = dim(weight.shape, 0);
    if (features !== dim(weight.shape, 1))
      throw new ShapeError(
        `${where}: x has ${features} features (${formatShape(x.shape)}) but ${nameWeight(weight)} takes ${dim(weight.shape, 1)} (${formatShape(weight.shape)}); expected weight as [out, in].`,
      );
    const shape = [...x.shape.slice(0, -1), n];
    expectShape('bias', inputs.bias, [n], where);
    expectShape('residual', inputs.residual, shape, where);
    return { y: { dtype: x.dtype, shape } };
  },
});

export const linearReference: Reference<LinearAttrs> = (inputs, { activation }) => {
  const x = required(inputs, 'x', 'linear');
  const weight = required(inputs, 'weight', 'linear');
  const { bias, residual } = inputs;
  const k = dim(weight.shape, 1);
  const n = dim(weight.shape, 0);
  const act = activation ? activationReference[activation] : (value: number) => value;
  const y = new Float64Array((elementCount(x.shape) / k) * n);
  for (let i = 0; i < y.length; i++) {
    const column = i % n;
    const row = (i - column) / n;
    let sum = bias?.data[column] ?? 0;
    for (let c = 0; c < k; c++) sum += (x.data[row * k + c] ?? 0) * (weight.data[column * k + c] ?? 0);
    y[i] = act(sum) + (residual?.data[i] ?? 0);
  }
  return { y };
};

const nameWeight = (weight: TensorType): string => (weight.name ? `weight "${weight.name}"` : 'weight');

function checkFloats(inputs: Named<TensorType>, where: string): void {
  for (const [name, { dtype }] of Object.entries(inputs)) {
    if (isFloat(dtype) || (name === 'weight' && isPacked(dtype))) continue;
    throw new ShapeError(
      `${where}: ${name} is ${dtype}; expected f32 or f16${name === 'weight' ? ', q8 or q4' : ''}.`,
    );
  }
}

function expectShape(name: string, tensor: TensorType | undefined, expected: Shape, where: string): void {
  if (tensor && !sameShape(tensor.shape, expected))
    throw new ShapeError(
      `${where}: ${name} is ${formatShape(tensor.shape)}; expected ${formatShape(expected)}.`,
    );
}
