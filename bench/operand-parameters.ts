import type { WeightDType } from '../src/core/dtype.ts';
import { elementCount, type Shape } from '../src/core/shape.ts';
import type { Parameters } from '../src/models/parameters.ts';
import { type Operand, operandValues } from './kernel-case.ts';

/** A model's parameters that are operands of a case: whatever is asked for is there. */
export function operandParameters(operand: Operand, dtype: WeightDType, prefix = ''): Parameters {
  const scope = (name: string): Parameters => operandParameters(operand, dtype, `${prefix}${name}.`);
  return {
    scope,
    firstScope: ([first = '']) => scope(first),
    has: () => true,
    get: (name, shape) => operand(`${prefix}${name}`, shape, shape.length > 1 ? dtype : 'f32'),
    skip: () => undefined,
  };
}

/**
 * `operandValues` as a trained layer has them: matrices scaled by 1/sqrt(inputs), so that activations keep their size
 * from layer to layer; norms about 1.
 */
export function layerValues(name: string, shape: Shape): Float32Array<ArrayBuffer> {
  const values = operandValues(name, shape);
  const inputs = shape.at(-1) ?? 1;
  const isNorm = /norm\d?\.weight$/.test(name);
  const isMatrix = shape.length === 2 && name.endsWith('weight');
  const [factor, offset] = isNorm ? [0.1, 1] : [isMatrix ? Math.sqrt(3 / inputs) : 0.5, 0];
  for (let i = 0; i < elementCount(shape); i++) values[i] = offset + factor * (values[i] ?? 0);
  return values;
}
