import { expect, test } from 'vitest';
import { broadcastShapes, dim, elementCount, normalizeAxis, stridesOf } from '../../src/core/shape.ts';

test('counts and strides', () => {
  expect(elementCount([])).toBe(1);
  expect(elementCount([2, 0, 3])).toBe(0);
  expect(stridesOf([2, 3, 5])).toEqual([15, 5, 1]);
  expect(dim([2, 3, 5], -1)).toBe(5);
});

test('broadcasting follows NumPy', () => {
  expect(broadcastShapes([4, 1, 3], [5, 1], 'add')).toEqual([4, 5, 3]);
  expect(broadcastShapes([], [2], 'add')).toEqual([2]);
  expect(() => broadcastShapes([2, 3], [4], 'add')).toThrow(
    'add: [2, 3] and [4] do not broadcast; axis -1 is 3 and 4',
  );
});

test('axes outside a shape are named', () => {
  expect(normalizeAxis(-1, 3, 'softmax')).toBe(2);
  expect(() => normalizeAxis(3, 3, 'softmax')).toThrow('softmax: axis 3 is outside a tensor of rank 3');
  expect(() => dim([2], 1)).toThrow('shape [2] has no axis 1');
});
