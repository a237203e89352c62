import { expect, test } from 'vitest';
import { findCandidates } from '../../src/compile/choose.ts';
import type { IrTensor } from '../../src/compile/ir.ts';
import { decodingKernels, tensorKernels, trainingKernels } from '../../src/compile/kernel-sets.ts';
import { KERNELS } from '../../src/kernels/registry.ts';
import type { Named, TensorType } from '../../src/ops/op.ts';
import { OP_CASES } from '../kernels/cases/index.ts';
import { callOfCase, DTYPE_SETS } from '../kernels/op-case.ts';
import { testCaps } from './caps.ts';

const named = (types: Named<TensorType>): Named<IrTensor> =>
  Object.fromEntries(
    Object.entries(types).map(([name, type]) => [name, { ...type, name, source: { kind: 'op' } as const }]),
  );

const ofOthers = new Set([...decodingKernels.kernels, ...trainingKernels.kernels].map(({ op }) => op.name));

test('the tensor kernels alone serve what all serve, without subgroups too', () => {
  const caps = testCaps();
  const unserved: string[] = [];
  let served = 0;
  for (const op of new Set(KERNELS.map(({ op }) => op))) {
    for (const opCase of OP_CASES[op.name] ?? []) {
      for (const set of DTYPE_SETS) {
        const call = callOfCase(op, opCase, set);
        if (!call) continue;
        const { attrs } = call;
        const node = {
          op,
          attrs,
          inputs: named(call.inputs),
          outputs: named(call.outputs),
          scope: '',
          fused: [],
        };
        if (findCandidates(node, caps, KERNELS).candidates.length === 0) continue;
        if (findCandidates(node, caps, tensorKernels.kernels).candidates.length > 0) served++;
        else if (!ofOthers.has(op.name)) unserved.push(`${op.name} ${opCase.label} ${set}`);
      }
    }
  }
  expect(unserved).toEqual([]);
  expect(served).toBeGreaterThan(500);
});
