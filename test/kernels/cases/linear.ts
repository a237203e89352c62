import type { Activation } from '../../../src/ops/activation.ts';
import type { CaseInput, OpCase } from '../op-case.ts';

interface Epilogue {
  readonly bias?: boolean;
  readonly residual?: boolean;
  readonly activation?: Activation;
}

const float = (...shape: number[]): CaseInput => ({ dtype: 'float', shape });

const linearCase = (label: string, m: number, k: number, n: number, epilogue: Epilogue = {}): OpCase => ({
  label: `${label}, ${m}×${k}×${n}`,
  attrs: { activation: epilogue.activation ?? null },
  inputs: {
    x: float(m, k),
    weight: float(n, k),
    ...(epilogue.bias && { bias: float(n) }),
    ...(epilogue.residual && { residual: float(m, n) }),
  },
});

const all: Epilogue = { bias: true, residual: true, activation: 'gelu_pytorch_tanh' };

/** Few different epilogues: each is one more pipeline per tuning point. */
export const linearCases: readonly OpCase[] = [
  linearCase('one of each', 1, 1, 1),
  linearCase('inner size 1', 2, 1, 3),
  linearCase('a short vector', 1, 8, 4),
  linearCase('odd sizes', 3, 7, 2),
  linearCase('primes', 67, 13, 131),
  linearCase('a few rows', 7, 12, 9),
  linearCase('as many rows as a matvec takes', 8, 260, 63),
  linearCase('a row more', 9, 36, 64),
  linearCase('a tile less one', 63, 64, 127),
  linearCase('a tile', 64, 64, 128),
  linearCase('a tile and some', 65, 68, 132),
  linearCase('more rows than share a panel, and some panels', 259, 132, 36, all),
  { ...linearCase('more rows than a dimension of workgroups', 65537, 4, 1), sets: ['f32', 'q4'] },
  { ...linearCase('more columns than a dimension of workgroups', 1, 4, 4 * 65537), sets: ['f32', 'q4'] },
  linearCase('every epilogue', 33, 20, 36, all),
  linearCase('every epilogue', 1, 20, 36, all),
  linearCase('every epilogue', 5, 15, 37, all),
  {
    label: 'three axes',
    attrs: { activation: null },
    inputs: { x: float(2, 5, 16), weight: float(12, 16) },
  },
];
