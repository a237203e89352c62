import { dim, elementCount } from '../../../src/core/shape.ts';
import { linear } from '../../../src/graph/linear.ts';
import { matmul } from '../../../src/graph/matmul.ts';
import { reshape } from '../../../src/graph/movement.ts';
import { patchify } from '../../../src/graph/patchify.ts';
import type { Tensor } from '../../../src/graph/tensor.ts';
import type { GoldenBuilder, GoldenBuilders } from '../golden-call.ts';

const product: GoldenBuilder = ({ input }) => matmul(input('a'), input('b'));

/** x with all axes but the first made one, as a convolution's weight is a matrix to patches. */
const flatten = (x: Tensor): Tensor => reshape(x, [dim(x.shape, 0), elementCount(x.shape.slice(1))]);

export const products: GoldenBuilders = {
  matmul: product,
  matmul_batched: product,
  matmul_broadcast: product,
  linear: ({ input }) => linear(input('x'), input('weight'), { bias: input('bias') }),
  patch_embed: ({ input, number }) =>
    linear(patchify(input('x'), { patchSize: number('patch') }), flatten(input('weight')), {
      bias: input('bias'),
    }),
  conv3d_patch: ({ input }) => linear(flatten(input('x')), flatten(input('weight'))),
};
