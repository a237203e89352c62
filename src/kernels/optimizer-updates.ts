import { elementCount } from '../core/shape.ts';
import { required } from '../ops/op.ts';
import { accumulate, adamwUpdate, sgdUpdate } from '../ops/optimizer.ts';
import { wgsl } from '../wgsl/wgsl.ts';
import {
  ELEMENT_TUNING,
  type ElementTuning,
  elementEfficiency,
  elementMain,
  elementWorkgroups,
  laneElements,
  lanesDivide,
} from './element-threads.ts';
import { defineKernel } from './kernel.ts';

/** Over every f32: no limit. */
const NO_LIMIT = 3.4028234663852886e38;

type CountedCall = { readonly params: { readonly count: number } };

/** What the kernels below share: a thread per element, or per four, that updates its states in place. */
const perElement = (tensors: number) =>
  ({
    tuning: ELEMENT_TUNING,
    supports: ({ params }: CountedCall, t: ElementTuning) => lanesDivide({ count: params.count }, t),
    dispatch: ({ params }: CountedCall, t: ElementTuning) => elementWorkgroups(params.count, t),
    cost: ({ params: { count } }: CountedCall) => ({
      flops: 8 * tensors * count,
      bytesRead: 4 * (tensors + 1) * count,
      bytesWritten: 4 * tensors * count,
    }),
    efficiency: (_call: CountedCall, t: ElementTuning) => elementEfficiency(t),
  }) as const;

const vector = ({ lanes }: ElementTuning): string => (lanes === 4 ? 'vec4f' : 'f32');

/** parameter, mean, variance [count] in place, gradient [count], control [8]; all f32. */
export const adamwUpdateMap = defineKernel({
  name: 'adamw_update_map',
  op: adamwUpdate,
  bindings: {
    parameter: 'read_write',
    mean: 'read_write',
    variance: 'read_write',
    gradient: 'read',
    control: 'read',
  },
  params: {
    count: 'u32',
    beta1: 'f32',
    beta2: 'f32',
    // Differences from 1 are taken in f64: of 0.999 in f32 they would lose four digits.
    rest1: 'f32',
    rest2: 'f32',
    eps: 'f32',
    decoupledDecay: 'f32',
    addedDecay: 'f32',
    largest: 'f32',
  },
  ...perElement(3),
  prepare({ inputs, attrs }) {
    const { beta1, beta2, eps, weightDecay, decoupled, max } = attrs;
    return {
      params: {
        count: elementCount(required(inputs, 'parameter', 'adamw_update_map').shape),
        beta1,
        beta2,
        rest1: 1 - beta1,
        rest2: 1 - beta2,
        eps,
        decoupledDecay: decoupled ? weightDecay : 0,
        addedDecay: decoupled ? 0 : weightDecay,
        largest: max ?? NO_LIMIT,
      },
    };
  },
  elements: ({ dtypes }, t) => laneElements(dtypes, t, ['parameter', 'mean', 'variance', 'gradient']),
  wgsl: (_shape, t) =>
    elementMain(
      t,
      wgsl`
        let factor = control[3];
        if (factor == 0.0) { return; }
        let learningRate = control[0];
        let p = parameter[i];
        let g = gradient[i] * factor + p * params.addedDecay;
        let m = params.beta1 * mean[i] + params.rest1 * g;
        let v = params.beta2 * variance[i] + params.rest2 * g * g;
        mean[i] = m;
        variance[i] = v;
        let direction = m / control[1] / (sqrt(v / control[2]) + params.eps);
        let next = p - learningRate * params.decoupledDecay * p - learningRate * direction;
        parameter[i] = min(next, ${vector(t)}(params.largest));
      `,
    ),
});

/** parameter, velocity [count] in place, gradient [count], control [8]; all f32. */
export const sgdUpdateMap = defineKernel({
  name: 'sgd_update_map',
  op: sgdUpdate,
  bindings: { parameter: 'read_write', velocity: 'read_write', gradient: 'read', control: 'read' },
  params: { count: 'u32', momentum: 'f32', weightDecay: 'f32', nesterov: 'u32', largest: 'f32' },
  ...perElement(2),
  prepare({ inputs, attrs }) {
    return {
      params: {
        count: elementCount(required(inputs, 'parameter', 'sgd_update_map').shape),
        momentum: attrs.momentum,
        weightDecay: attrs.weightDecay,
        nesterov: Number(attrs.nesterov),
        largest: attrs.max ?? NO_LIMIT,
      },
    };
  },
  elements: ({ dtypes }, t) => laneElements(dtypes, t, ['parameter', 'velocity', 'gradient']),
  wgsl: (_shape, t) =>
    elementMain(
      t,
      wgsl`
        let factor = control[3];
        if (factor == 0.0) { return; }
        let p = parameter[i];
        let g = gradient[i] * factor + p * params.weightDecay;
        let u = params.momentum * velocity[i] + g;
        velocity[i] = u;
        let direction = select(u, g + params.momentum * u, params.nesterov == 1u);
        parameter[i] = min(p - control[0] * direction, ${vector(t)}(params.largest));
      `,
    ),
});

/** sum [count] in place, x [count], keep [1]; all f32. */
export const accumulateMap = defineKernel({
  name: 'accumulate_map',
  op: accumulate,
  bindings: { sum: 'read_write', x: 'read', keep: 'read' },
  params: { count: 'u32' },
  ...perElement(1),
  prepare: ({ inputs }) => ({
    params: { count: elementCount(required(inputs, 'sum', 'accumulate_map').shape) },
  }),
  elements: ({ dtypes }, t) => laneElements(dtypes, t, ['sum', 'x']),
  wgsl: (_shape, t) =>
    elementMain(
      t,
      wgsl`
        // No product with 0, which of what is not finite would be NaN.
        if (keep[0] == 0.0) { sum[i] = x[i]; } else { sum[i] += x[i]; }
      `,
    ),
});
