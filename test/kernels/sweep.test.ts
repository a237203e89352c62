/**
 * Every kernel at every legal tuning point, over all cases of its op and all dtype sets, against the op's f64
 * reference. A kernel that serves no case fails. Pipelines are shared between the cases, as they are in a model.
 */
import { describe, expect, it } from 'vitest';
import type { Caps } from '../../src/core/caps.ts';
import { invariant } from '../../src/core/errors.ts';
import type { Device } from '../../src/device/gpu-device.ts';
import {
  type Kernel,
  kernelLabel,
  type OpCall,
  prepareCall,
  presentBindings,
  type TuningPoint,
  type TuningSpace,
  tuningPoints,
} from '../../src/kernels/kernel.ts';
import { KERNELS } from '../../src/kernels/registry.ts';
import { required } from '../../src/ops/op.ts';
import { describeOnAdapters } from '../adapters.ts';
import { OP_CASES } from './cases/index.ts';
import { differenceOf } from './compare.ts';
import { DTYPE_SETS, type OpCase, type PreparedCase, prepareCase } from './op-case.ts';
import { runKernel } from './run-kernel.ts';

/** What became of the cases of one kernel on one adapter. */
interface Tally {
  served: number;
  readonly refusals: Map<string, number>;
}

/** How long one tuning point may take: its pipelines compile on a CPU. */
const TIMEOUT_MS = 300_000;

describeOnAdapters('kernels', (getDevice) => {
  describe.each(KERNELS.map((kernel) => [kernel.name, kernel] as const))('%s', (_name, kernel) => {
    const tally: Tally = { served: 0, refusals: new Map() };

    it.each(tuningPoints(kernel.tuning).map((tuning) => [kernelLabel(kernel, tuning), tuning] as const))(
      '%s agrees with the f64 reference',
      async (_label, tuning) => {
        expect(await sweepTuningPoint(getDevice(), kernel, tuning, tally)).toEqual([]);
      },
      TIMEOUT_MS,
    );

    it('serves at least one case', ({ annotate }) => {
      const refusals = [...tally.refusals].map(([reason, count]) => `${count} x ${reason}`).join('; ');
      annotate(`${tally.served} served; refused: ${refusals || 'none'}`);
      expect(tally.served, refusals).toBeGreaterThan(0);
    });
  });
});

/** Every wrong result of one tuning point, in words. */
async function sweepTuningPoint(
  device: Device,
  kernel: Kernel,
  tuning: TuningPoint<TuningSpace>,
  tally: Tally,
): Promise<string[]> {
  const faults: string[] = [];
  for (const { opCase, set, prepared } of preparedCases(kernel, device)) {
    const { call, inputs, expected } = prepared;
    const verdict = verdictOf(kernel, call, tuning, device.caps);
    if (verdict !== true) {
      tally.refusals.set(verdict, (tally.refusals.get(verdict) ?? 0) + 1);
      continue;
    }
    tally.served++;
    const actual = await runKernel(device, kernel, tuning, call, inputs);
    for (const [name, { dtype }] of Object.entries(call.outputs)) {
      const wanted = required(expected, name, kernel.name);
      const difference = differenceOf(required(actual, name, kernel.name), wanted, dtype, opCase.tolerance);
      if (difference) faults.push(`${opCase.label} (${set}): ${name}${difference}`);
    }
  }
  return faults;
}

/** True, or why `tuning` cannot serve `call` on the adapter. */
function verdictOf(
  kernel: Kernel,
  call: OpCall,
  tuning: TuningPoint<TuningSpace>,
  caps: Caps,
): true | string {
  const kernelCall = prepareCall(kernel, call);
  if (typeof kernelCall === 'string') return kernelCall;
  const count = presentBindings(kernel, kernelCall).length;
  if (count > caps.limits.maxStorageBuffersPerShaderStage) return `${count} storage buffers`;
  return kernel.supports(kernelCall, tuning, caps);
}

interface SetOfCase {
  readonly opCase: OpCase;
  readonly set: string;
  readonly prepared: PreparedCase;
}

const known = new Map<string, readonly SetOfCase[]>();

/** The cases of a kernel's op in every dtype set the device can hold; the references are computed once. */
function preparedCases(kernel: Kernel, device: Device): readonly SetOfCase[] {
  const opCases = OP_CASES[kernel.op.name];
  invariant(opCases, `kernel ${kernel.name} has no cases for op "${kernel.op.name}" in test/kernels/cases`);
  const { shaderF16 } = device.caps.features;
  const key = `${kernel.op.name} ${shaderF16}`;
  const found = known.get(key);
  if (found) return found;
  const sets = DTYPE_SETS.filter((set) => shaderF16 || !set.includes('f16'));
  const made = opCases.flatMap((opCase) =>
    sets.flatMap((set) => {
      const prepared = prepareCase(kernel.op, opCase, set);
      return prepared ? [{ opCase, set, prepared }] : [];
    }),
  );
  known.set(key, made);
  return made;
}
