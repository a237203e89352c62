import type { AttrValue } from '../../../src/ops/op.ts';
import type { CaseInput, OpCase } from '../op-case.ts';

const mapCase = (label: string, shape: readonly number[], attrs: Record<string, AttrValue>): OpCase => ({
  label,
  attrs,
  inputs: { x: { dtype: 'float', shape } },
});

export const avgPool2dCases: readonly OpCase[] = [
  mapCase('one pixel', [1, 1, 1, 1], { kernel: [1, 1], stride: [1, 1] }),
  mapCase('a window each way', [2, 3, 8, 12], { kernel: [2, 2], stride: [2, 2] }),
  mapCase('edges left over', [1, 2, 7, 11], { kernel: [3, 2], stride: [3, 2] }),
  mapCase('windows that overlap', [1, 2, 9, 7], { kernel: [3, 4], stride: [2, 1] }),
];

export const adaptiveAvgPool2dCases: readonly OpCase[] = [
  mapCase('all to one', [2, 3, 5, 7], { size: [1, 1] }),
  mapCase('parts that divide', [1, 3, 6, 8], { size: [3, 2] }),
  mapCase('parts that overlap', [2, 3, 7, 10], { size: [4, 3] }),
  mapCase('more parts than pixels', [1, 2, 2, 3], { size: [5, 4] }),
];

export const interpolateCases: readonly OpCase[] = (['bilinear', 'bicubic'] as const).flatMap((mode) => [
  mapCase(`${mode}, one pixel`, [1, 1, 1, 1], { size: [3, 2], mode }),
  mapCase(`${mode}, larger and smaller`, [2, 3, 6, 6], { size: [9, 5], mode }),
  mapCase(`${mode}, the same size`, [1, 2, 5, 4], { size: [5, 4], mode }),
]);

const convCase = (
  label: string,
  x: readonly number[],
  weight: readonly number[],
  attrs: Record<string, AttrValue>,
  bias = true,
): OpCase => {
  const float = (shape: readonly number[]): CaseInput => ({ dtype: 'float', shape });
  return {
    label,
    attrs,
    inputs: { x: float(x), weight: float(weight), ...(bias && { bias: float(weight.slice(0, 1)) }) },
  };
};

export const conv2dCases: readonly OpCase[] = [
  convCase('one tap', [1, 1, 1, 1], [1, 1, 1, 1], { stride: 1, padding: 0, groups: 1 }),
  convCase('padded', [2, 4, 9, 11], [6, 4, 3, 3], { stride: 1, padding: 1, groups: 1 }),
  convCase('depthwise', [2, 6, 5, 7], [6, 1, 3, 3], { stride: 1, padding: 1, groups: 6 }),
  convCase('strided in groups', [2, 4, 9, 11], [8, 2, 3, 2], { stride: 2, padding: 1, groups: 2 }, false),
  convCase('wider than its input', [1, 2, 2, 2], [3, 2, 5, 5], { stride: 1, padding: 2, groups: 1 }),
];
