import { applyOne } from '../graph/apply.ts';
import type { Tensor } from '../graph/tensor.ts';
import { elementwise } from '../ops/elementwise.ts';

/** x + value. */
export const plus = (x: Tensor, value: number): Tensor =>
  applyOne(
    elementwise,
    { x0: x },
    { expression: [{ input: 'x0' }, { constant: value }, { fn: 'add', args: [0, 1] }] },
  );
