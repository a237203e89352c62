import type { DType } from '../../../src/core/dtype.ts';
import type { Attrs } from '../../../src/ops/op.ts';
import type { OpCase } from '../op-case.ts';

const oneInput = (label: string, shape: readonly number[], attrs: Attrs): OpCase => ({
  label,
  attrs,
  inputs: { x: { dtype: 'float', shape } },
});

export const permuteCases: readonly OpCase[] = [
  oneInput('one element', [1], { order: [0] }),
  oneInput('a matrix', [5, 7], { order: [1, 0] }),
  oneInput('a matrix of four lanes', [8, 12], { order: [1, 0] }),
  oneInput('heads before positions', [2, 7, 3, 8], { order: [0, 2, 1, 3] }),
  oneInput('heads before positions, odd', [2, 7, 3, 5], { order: [0, 2, 1, 3] }),
  oneInput('channels last', [2, 3, 5, 4], { order: [0, 2, 3, 1] }),
  oneInput('axes of size one', [1, 3, 1, 4], { order: [3, 2, 1, 0] }),
  oneInput('five axes backwards', [2, 3, 2, 3, 2], { order: [4, 3, 2, 1, 0] }),
  oneInput('six axes of which two stay together', [2, 3, 2, 2, 3, 4], { order: [4, 2, 3, 1, 0, 5] }),
];

export const sliceCases: readonly OpCase[] = [
  oneInput('the whole', [3], { axis: 0, begin: 0, end: 3 }),
  oneInput('one row', [5, 7], { axis: 0, begin: 3, end: 4 }),
  oneInput('one column', [5, 7], { axis: 1, begin: 6, end: 7 }),
  oneInput('without the class token', [2, 17, 12], { axis: 1, begin: 1, end: 17 }),
  oneInput('without the class token, odd', [2, 17, 3], { axis: -2, begin: 1, end: 17 }),
  oneInput('a third of packed q, k, v', [7, 24], { axis: 1, begin: 8, end: 16 }),
  oneInput('more elements than a dimension of workgroups', [65537, 67], { axis: 1, begin: 1, end: 66 }),
];

const joined = (label: string, axis: number, ...shapes: readonly (readonly number[])[]): OpCase => ({
  label,
  attrs: { axis },
  inputs: Object.fromEntries(shapes.map((shape, i) => [`x${i}`, { dtype: 'float' as const, shape }])),
});

export const concatCases: readonly OpCase[] = [
  joined('one part', 0, [3]),
  joined('rows', 0, [2, 3], [5, 3]),
  joined('columns', 1, [3, 2], [3, 5], [3, 1]),
  joined('columns of four lanes', -1, [3, 8], [3, 4], [3, 12], [3, 4]),
  joined('the class token before the patches', 1, [2, 1, 8], [2, 16, 8]),
];

const casts = (from: DType, to: DType, size: number): OpCase => ({
  label: `${from} to ${to}, ${size} elements`,
  attrs: { dtype: to },
  inputs: { x: { dtype: from, shape: [size], values: (i) => (from === 'u32' ? i * 3 : (i - 9) * 2.75) } },
});

export const castCases: readonly OpCase[] = [
  ...[1, 37, 64].flatMap((size) => [
    casts('f32', 'f32', size),
    casts('f32', 'i32', size),
    casts('f32', 'u32', size),
    casts('i32', 'f32', size),
    casts('i32', 'i32', size),
    casts('u32', 'f32', size),
  ]),
  oneInput('the dtype under test to f32', [5, 7], { dtype: 'f32' }),
];
