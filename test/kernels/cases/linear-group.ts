import type { Activation } from '../../../src/ops/activation.ts';
import type { CaseInput, OpCase } from '../op-case.ts';

interface Form {
  readonly join: 'rows' | 'gate';
  readonly bias?: boolean;
  readonly norm?: boolean;
  readonly activation?: Activation;
}

const float = (...shape: number[]): CaseInput => ({ dtype: 'float', shape });

function groupCase(label: string, k: number, rows: readonly number[], form: Form): OpCase {
  const named = (prefix: string, shapeOf: (n: number) => readonly number[]) =>
    Object.fromEntries(rows.map((n, i) => [`${prefix}${i}`, float(...shapeOf(n))]));
  return {
    label: `${label}, ${rows.join(' + ')} rows of ${k}`,
    attrs: {
      join: form.join,
      activation: form.activation ?? null,
      norm: form.norm ? { eps: 1e-5, offset: 1 } : null,
    },
    inputs: {
      x: float(1, 1, k),
      ...(form.norm && { norm: { dtype: 'f32' as const, shape: [k] } }),
      ...named('w', (n) => [n, k]),
      ...(form.bias && named('b', (n) => [n])),
    },
  };
}

/** Few forms: each is one more pipeline per tuning point. */
export const linearGroupCases: readonly OpCase[] = [
  groupCase('a gate', 36, [20, 20], { join: 'gate', activation: 'silu' }),
  groupCase('more tiles than a dimension of workgroups', 4, [65537, 65537], {
    join: 'gate',
    activation: 'silu',
  }),
  groupCase('a gate of a normed vector, with biases', 260, [12, 12], {
    join: 'gate',
    activation: 'gelu_pytorch_tanh',
    norm: true,
    bias: true,
  }),
  groupCase('three query heads a kv head', 44, [108, 36, 36], { join: 'rows' }),
  groupCase('all alike, normed, with biases', 68, [8, 8, 8], { join: 'rows', norm: true, bias: true }),
];
