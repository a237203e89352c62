import { activation, add, logSigmoid, mul, sigmoid, softcap, tanh } from '../../../src/graph/math.ts';
import type { Activation } from '../../../src/ops/activation.ts';
import type { GoldenBuilder, GoldenBuilders } from '../golden-call.ts';

const activated =
  (name: Activation): GoldenBuilder =>
  ({ input }) =>
    activation(input('x'), name);

const gated =
  (name: Activation): GoldenBuilder =>
  ({ input }) =>
    mul(activation(input('gate'), name), input('up'));

export const pointwise: GoldenBuilders = {
  gelu: activated('gelu'),
  gelu_tanh: activated('gelu_pytorch_tanh'),
  quick_gelu: activated('quick_gelu'),
  silu: activated('silu'),
  relu: activated('relu'),
  sigmoid: ({ input }) => sigmoid(input('x')),
  logsigmoid: ({ input }) => logSigmoid(input('x')),
  tanh: ({ input }) => tanh(input('x')),
  softcap: ({ input, number }) => softcap(input('x'), number('cap')),
  swiglu: gated('silu'),
  geglu_tanh: gated('gelu_pytorch_tanh'),
  broadcast_mul_add: ({ input }) => add(mul(input('a'), input('b')), input('c')),
};
