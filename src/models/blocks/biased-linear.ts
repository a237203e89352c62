import { linear } from '../../graph/linear.ts';
import type { Tensor } from '../../graph/tensor.ts';
import type { Parameters } from '../parameters.ts';

/** `name.weight` and, where the config says so, `name.bias`. x [..., input] → [..., out] */
export function biasedLinear(
  x: Tensor,
  w: Parameters,
  name: string,
  shape: readonly [out: number, input: number],
  bias: boolean,
): Tensor {
  const weight = w.get(`${name}.weight`, shape);
  return linear(x, weight, bias ? { bias: w.get(`${name}.bias`, [shape[0]]) } : {});
}
