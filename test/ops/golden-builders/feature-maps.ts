import { conv2d } from '../../../src/graph/conv2d.ts';
import { interpolate } from '../../../src/graph/interpolate.ts';
import { adaptiveAvgPool2d, avgPool2d } from '../../../src/graph/pooling.ts';
import type { Size2d } from '../../../src/ops/feature-map.ts';
import type { GoldenBuilders } from '../golden-call.ts';

const pair = ([height = 0, width = 0]: readonly number[]): Size2d => [height, width];

export const featureMaps: GoldenBuilders = {
  conv2d: ({ input, number }) =>
    conv2d(input('x'), input('weight'), {
      bias: input('bias'),
      stride: number('stride'),
      padding: number('padding'),
      groups: number('groups'),
    }),
  avg_pool2d: ({ input, number }) =>
    avgPool2d(input('x'), {
      kernel: pair([number('kernel'), number('kernel')]),
      stride: pair([number('stride'), number('stride')]),
    }),
  adaptive_avg_pool2d: ({ input, numbers }) => adaptiveAvgPool2d(input('x'), pair(numbers('size'))),
  interpolate: ({ input, numbers, text }) =>
    interpolate(input('x'), {
      size: pair(numbers('size')),
      mode: text('mode') === 'bicubic' ? 'bicubic' : 'bilinear',
    }),
};
