import type { CaseInput, OpCase } from '../op-case.ts';

const SHAPES: readonly (readonly [label: string, shape: readonly number[]])[] = [
  ['one column', [3, 1]],
  ['two columns', [2, 2]],
  ['a prime number of columns', [2, 5, 37]],
  ['a workgroup less one', [2, 63]],
  ['a workgroup and one', [3, 65]],
  ['a hidden size', [7, 768]],
  ['more rows than a dimension of workgroups', [65537, 3]],
];

const float = (shape: readonly number[], values?: CaseInput['values']): CaseInput => ({
  dtype: 'float',
  shape,
  ...(values && { values }),
});

function cases(attrs: OpCase['attrs'], inputsOf: (shape: readonly number[]) => OpCase['inputs']): OpCase[] {
  return SHAPES.map(([label, shape]) => ({ label, attrs, inputs: inputsOf(shape) }));
}

const weightOf = (shape: readonly number[]): OpCase['inputs'] => ({
  weight: float(shape.slice(-1), 'uniform'),
});
const affineOf = (shape: readonly number[]): OpCase['inputs'] => ({
  ...weightOf(shape),
  bias: float(shape.slice(-1)),
});

export const layerNormCases: readonly OpCase[] = [
  ...cases({ eps: 1e-5 }, (shape) => ({ x: float(shape), ...affineOf(shape) })),
  { label: 'no bias', attrs: { eps: 1e-6 }, inputs: { x: float([3, 20]), ...weightOf([20]) } },
  {
    label: 'a large mean beside a small spread',
    attrs: { eps: 1e-6 },
    inputs: { x: { dtype: 'f32', shape: [3, 64], values: (i) => 1000 + (i % 7) / 8 }, ...affineOf([64]) },
  },
];

export const addLayerNormCases: readonly OpCase[] = [
  ...cases({ eps: 1e-5 }, (shape) => {
    // Rows of a few nearly equal values magnify the rounding of an f16 sum without bound.
    const stream = (shape.at(-1) ?? 0) < 20 ? ({ dtype: 'f32', shape } as const) : float(shape);
    return { x: stream, residual: stream, ...affineOf(shape) };
  }),
  {
    label: 'no bias',
    attrs: { eps: 1e-6 },
    inputs: { x: float([3, 20]), residual: float([3, 20]), ...weightOf([20]) },
  },
];

export const rmsNormCases: readonly OpCase[] = [
  ...cases({ eps: 1e-6, offset: 0 }, (shape) => ({ x: float(shape), ...weightOf(shape) })),
  { label: 'Gemma', attrs: { eps: 1e-6, offset: 1 }, inputs: { x: float([3, 20]), ...weightOf([20]) } },
  {
    label: 'squares over the range of f16',
    attrs: { eps: 1e-6, offset: 0 },
    inputs: { x: float([2, 33], (i) => 3000 * Math.cos(i)), ...weightOf([33]) },
  },
];

export const addRmsNormCases: readonly OpCase[] = [
  ...cases({ eps: 1e-6, offset: 0 }, (shape) => ({
    x: float(shape),
    residual: float(shape),
    ...weightOf(shape),
  })),
  {
    label: 'Gemma',
    attrs: { eps: 1e-6, offset: 1 },
    inputs: { x: float([3, 20]), residual: float([3, 20]), ...weightOf([20]) },
  },
];
