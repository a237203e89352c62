import type { AttrValue } from '../../../src/ops/op.ts';
import type { CaseInput, OpCase } from '../op-case.ts';

const f32 = (shape: readonly number[], values?: readonly number[] | ((i: number) => number)): CaseInput => ({
  dtype: 'f32',
  shape,
  ...(values && { values }),
});

/** Steps, loss scale, steps at that scale, skipped ones. */
type Progress = readonly [steps: number, scale: number, atScale: number, skipped: number];

const CONTROL_ATTRS = { clipNorm: null, beta1: 0.9, beta2: 0.999, growthInterval: null, batches: 1 };

const controlCase = (
  label: string,
  progress: Progress,
  squaredNorm: number,
  attrs: Record<string, AttrValue> = {},
): OpCase => ({
  label,
  attrs: { ...CONTROL_ATTRS, ...attrs },
  inputs: {
    progress: f32([4], progress),
    squaredNorm: f32([], [squaredNorm]),
    learningRate: f32([1], [1e-3]),
  },
});

export const optimizerControlCases: readonly OpCase[] = [
  controlCase('the first step', [0, 1, 0, 0], 4),
  controlCase('a late step', [5000, 1, 0, 0], 1e-8),
  controlCase('clipped', [9, 1, 9, 0], 400, { clipNorm: 1 }),
  controlCase('below the limit', [9, 1, 9, 0], 0.25, { clipNorm: 1 }),
  controlCase('several batches under a scale', [3, 1024, 3, 0], 9e6, {
    clipNorm: 0.5,
    batches: 4,
    growthInterval: 100,
  }),
  controlCase('the scale grows', [99, 256, 9, 0], 100, { growthInterval: 10 }),
  controlCase('gradient descent has no moments', [4, 1, 0, 0], 4, { beta1: 0, beta2: 0 }),
];

const ADAMW_ATTRS = {
  beta1: 0.9,
  beta2: 0.98,
  eps: 1e-6,
  weightDecay: 0.1,
  decoupled: true,
  max: null,
};
/** Learning rate, corrections, factor. */
const CONTROL = [0.01, 0.271, 0.0588, 0.5, 3, 1, 3, 0] as const;

const adamwCase = (
  label: string,
  shape: readonly number[],
  attrs: Record<string, AttrValue> = {},
  control: readonly number[] = CONTROL,
): OpCase => ({
  label,
  attrs: { ...ADAMW_ATTRS, ...attrs },
  inputs: {
    parameter: f32(shape),
    mean: f32(shape),
    variance: { ...f32(shape), values: 'uniform' },
    gradient: f32(shape),
    control: f32([8], control),
  },
});

export const adamwUpdateCases: readonly OpCase[] = [
  adamwCase('one element', [1]),
  adamwCase('a prime number of elements', [37]),
  adamwCase('a matrix', [12, 20]),
  adamwCase('decay in the gradient', [7, 9], { decoupled: false }),
  adamwCase('a bound', [65], { max: 0.25 }),
  adamwCase('a skipped step', [66], {}, [0.01, 1, 1, 0, 0, 1, 2, 1]),
];

const sgdCase = (label: string, shape: readonly number[], attrs: Record<string, AttrValue>): OpCase => ({
  label,
  attrs: { momentum: 0.9, weightDecay: 0.01, nesterov: false, max: null, ...attrs },
  inputs: { parameter: f32(shape), velocity: f32(shape), gradient: f32(shape), control: f32([8], CONTROL) },
});

export const sgdUpdateCases: readonly OpCase[] = [
  sgdCase('one element', [1], {}),
  sgdCase('a matrix', [12, 20], {}),
  sgdCase("Nesterov's momentum", [37], { nesterov: true }),
  sgdCase('no momentum, a bound', [65], { momentum: 0, max: 0.25 }),
];

const accumulateCase = (label: string, shape: readonly number[], keep: number): OpCase => ({
  label,
  attrs: {},
  inputs: { sum: f32(shape), x: f32(shape), keep: f32([1], [keep]) },
});

export const accumulateCases: readonly OpCase[] = [
  accumulateCase('a first batch', [3, 7], 0),
  accumulateCase('a second one', [3, 7], 1),
  accumulateCase('by fours', [4, 16], 1),
  {
    label: 'a sum that overflowed begins anew',
    attrs: {},
    inputs: { sum: f32([5], () => Number.POSITIVE_INFINITY), x: f32([5]), keep: f32([1], [0]) },
  },
];
