import { transpose } from '../../../src/graph/movement.ts';
import { layerNorm, rmsNorm } from '../../../src/graph/norm.ts';
import { groupNorm, instanceNorm, layerNorm2d } from '../../../src/graph/norm-2d.ts';
import { l2Normalize, logSoftmax } from '../../../src/graph/reduce.ts';
import { softmax } from '../../../src/graph/softmax.ts';
import type { GoldenBuilders } from '../golden-call.ts';

export const norms: GoldenBuilders = {
  softmax({ input, number }) {
    const axis = number('dim');
    return transpose(softmax(transpose(input('x'), axis, -1)), axis, -1);
  },
  log_softmax: ({ input }) => logSoftmax(input('x')),
  l2_normalize: ({ input }) => l2Normalize(input('x')),
  layer_norm: ({ input, number }) => layerNorm(input('x'), input('weight'), input('bias'), number('eps')),
  rms_norm: ({ input, number }) =>
    rmsNorm(input('x'), input('weight'), number('eps'), { offset: number('offset') }),
  group_norm: ({ input, number }) =>
    groupNorm(input('x'), input('weight'), input('bias'), number('groups'), number('eps')),
  instance_norm: ({ input, number }) =>
    instanceNorm(input('x'), input('weight'), input('bias'), number('eps')),
  layer_norm_2d: ({ input, number }) =>
    layerNorm2d(input('x'), input('weight'), input('bias'), number('eps')),
};
