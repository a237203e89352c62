import type { Expression } from '../../../src/ops/elementwise.ts';
import type { ScalarFunction } from '../../../src/ops/scalar-functions.ts';
import type { CaseInput, OpCase } from '../op-case.ts';

const elementwiseCase = (
  label: string,
  expression: Expression,
  ...inputs: readonly (readonly number[] | CaseInput)[]
): OpCase => ({
  label,
  attrs: { expression },
  inputs: Object.fromEntries(
    inputs.map((input, i) => [`x${i}`, 'dtype' in input ? input : { dtype: 'float' as const, shape: input }]),
  ),
});

const product: Expression = [{ input: 'x0' }, { input: 'x1' }, { fn: 'mul', args: [0, 1] }];

/** x0 * x1 + x2. */
const scaleAndShift: Expression = [
  { input: 'x0' },
  { input: 'x1' },
  { fn: 'mul', args: [0, 1] },
  { input: 'x2' },
  { fn: 'add', args: [2, 3] },
];

/** Six inputs, a constant and a repeated step: (x0 - x1) * max(x2, x3) + (x4 / 2)² - x5. */
const sixInputs: Expression = [
  { input: 'x0' },
  { input: 'x1' },
  { fn: 'sub', args: [0, 1] },
  { input: 'x2' },
  { input: 'x3' },
  { fn: 'max', args: [3, 4] },
  { fn: 'mul', args: [2, 5] },
  { input: 'x4' },
  { constant: 2 },
  { fn: 'div', args: [7, 8] },
  { fn: 'mul', args: [9, 9] },
  { fn: 'add', args: [6, 10] },
  { input: 'x5' },
  { fn: 'sub', args: [11, 12] },
];

/** Values of both signs, near zero and far from it, where a wrong branch of a function shows. */
const spread = (i: number): number => Math.sinh((i - 18) / 3.5);
const positive = (i: number): number => Math.exp((i - 18) / 6);

const unaryCase = (fn: ScalarFunction, values: (i: number) => number): OpCase =>
  elementwiseCase(fn, [{ input: 'x0' }, { fn, args: [0] }], { dtype: 'float', shape: [37], values });

const binaryCase = (fn: ScalarFunction): OpCase =>
  elementwiseCase(
    fn,
    [{ input: 'x0' }, { input: 'x1' }, { fn, args: [0, 1] }],
    { dtype: 'float', shape: [37], values: spread },
    { dtype: 'float', shape: [37], values: (i) => Math.cos(i) + 1.5 },
  );

const SPREAD = [
  'neg',
  'abs',
  'square',
  'tanh',
  'sigmoid',
  'logSigmoid',
  'softplus',
  'gelu',
  'gelu_pytorch_tanh',
  'quick_gelu',
  'silu',
  'relu',
] as const;

export const elementwiseCases: readonly OpCase[] = [
  elementwiseCase('one element', product, [1], [1]),
  elementwiseCase('scalars without axes', product, [], []),
  elementwiseCase('the same shape, a multiple of four', product, [3, 4, 5], [3, 4, 5]),
  elementwiseCase('the same shape, a prime', product, [1031], [1031]),
  elementwiseCase('a scalar', product, [3, 7], []),
  elementwiseCase('a row vector, odd', scaleAndShift, [5, 7], [7], [1, 7]),
  elementwiseCase('a row vector of four lanes', scaleAndShift, [2, 5, 8], [8], [8]),
  elementwiseCase('a column vector', scaleAndShift, [5, 8], [5, 1], [8]),
  elementwiseCase('a table repeated over the batch', scaleAndShift, [3, 5, 4], [5, 4], [4]),
  elementwiseCase('outer product', product, [6, 1], [1, 8]),
  elementwiseCase('five axes by turns', scaleAndShift, [2, 3, 2, 3, 4], [2, 1, 2, 1, 4], [1, 3, 1, 3, 1]),
  elementwiseCase('the middle axis broadcast in the first input', product, [2, 1, 3], [2, 5, 3]),
  elementwiseCase('six inputs', sixInputs, [4, 12], [12], [4, 1], [], [4, 12], [1, 12]),
  elementwiseCase('f32 and the dtype under test', product, [3, 8], { dtype: 'f32', shape: [8] }),
  elementwiseCase('an integer input', product, [3, 5], { dtype: 'i32', shape: [3, 1], values: (i) => i - 1 }),
  elementwiseCase('more elements than a dimension of workgroups', product, [65537, 65], [65]),
  elementwiseCase(
    'where',
    [{ input: 'x0' }, { input: 'x1' }, { constant: -7.25 }, { fn: 'where', args: [0, 1, 2] }],
    { dtype: 'u32', shape: [9], values: (i) => i % 3 },
    [9],
  ),
  elementwiseCase(
    'equal',
    [{ input: 'x0' }, { input: 'x1' }, { fn: 'equal', args: [0, 1] }],
    { dtype: 'u32', shape: [9], values: (i) => i % 3 },
    { dtype: 'float', shape: [4, 1], values: (i) => i },
  ),
  ...(['add', 'sub', 'mul', 'div', 'min', 'max'] as const).map(binaryCase),
  ...SPREAD.map((fn) => unaryCase(fn, spread)),
  ...(['sqrt', 'rsqrt', 'log'] as const).map((fn) => unaryCase(fn, positive)),
  unaryCase('exp', (i) => (i - 30) / 3),
];
